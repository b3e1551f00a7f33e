defmodule Nx.Vulkan.Backend.Node do
  @moduledoc false
  # Between Nx's tensors and the nodes of the lazy graph: operands become references, and what the
  # NIF answers becomes a tensor with the type that Nx wants.

  alias Nx.Tensor, as: T
  alias Nx.Vulkan.{Codec, Device, Error, Memory, Native, Reader, Type}
  alias Nx.Vulkan.Backend, as: B

  # Values of at most this many bits are remembered where they are made from bytes.
  @known_bits 8 * 4096

  @doc "The atom of an Nx type: `{:f, 32}` is `:f32`."
  for type <- Type.all() do
    {:ok, ^type} = Type.parse(type)
    nx = Nx.Type.normalize!(type)
    def type(unquote(Macro.escape(nx))), do: unquote(type)
  end

  # ---- Operands ----

  @doc """
  The reference of an operand, of whichever backend: Nx hands over tensors of `Nx.BinaryBackend`
  beside ours, numbers above all.

  It refers to a value of the type and shape that the tensor declares, which need not be the stored
  ones: the gradient of a loop over f64 is declared as f32 by Nx 0.13. Another number of elements than
  the stored one raises, and so does a tensor of another VM.
  """
  @spec ref(Nx.Tensor.t()) :: reference
  def ref(%T{data: %B{}} = t) do
    ref = handle(t)
    {stored, declared} = {Native.type(ref), type(t.type)}
    ref = shaped(ref, Native.shape(ref), declared_shape(t), stored)
    if stored == declared, do: ref, else: cast(ref, declared)
  end

  def ref(%T{data: %Nx.BinaryBackend{}} = t), do: ref(from_host(t, engine([])))

  def ref(%T{data: %other{}} = t) do
    raise Nx.Defn.IncompatibleBackendsError,
      message:
        "a tensor of #{inspect(other)} cannot be combined with one of Nx.Vulkan.Backend: " <>
          "#{inspect(t.type)} #{inspect(t.shape)}"
  end

  @doc "The reference that a tensor of ours holds, whatever type and shape the tensor declares."
  @spec handle(Nx.Tensor.t()) :: reference
  def handle(%T{data: %B{ref: ref}}) when node(ref) == node(), do: ref

  def handle(%T{data: %B{ref: ref}}) do
    raise ArgumentError,
          "the tensor lives on a device of node #{inspect(node(ref))}; " <>
            "call Nx.backend_transfer/1 there before sending it to another node"
  end

  @doc "The same tensor with a reference of its own, which lives on when this one is deallocated."
  @spec another(Nx.Tensor.t()) :: Nx.Tensor.t()
  def another(%T{data: %B{} = data} = t) do
    ref = handle(t)
    %{t | data: %{data | ref: new(ref, fn -> Native.reshape(ref, Native.shape(ref)) end)}}
  end

  defp shaped(ref, shape, shape, _type), do: ref

  defp shaped(ref, stored, declared, type) do
    if Enum.product(stored) != Enum.product(declared) do
      raise ArgumentError,
            "the tensor declares shape #{inspect(List.to_tuple(declared))}, but its data is " <>
              "#{type} of shape #{inspect(List.to_tuple(stored))}"
    end

    new(fn -> Native.reshape(ref, declared) end)
  end

  # Vectorized axes come first.
  defp declared_shape(%T{vectorized_axes: [], shape: shape}), do: Tuple.to_list(shape)

  defp declared_shape(%T{vectorized_axes: axes, shape: shape}),
    do: Keyword.values(axes) ++ Tuple.to_list(shape)

  # What the host knows of a tensor's elements is of the stored type.
  defp as_stored?(%T{data: %B{}} = t) do
    ref = handle(t)
    Native.type(ref) == type(t.type) and Native.shape(ref) == declared_shape(t)
  end

  @doc "The reference of an operand, cast to `type` unless it has that type."
  @spec ref(Nx.Tensor.t(), Nx.Type.t()) :: reference
  def ref(%T{type: type} = t, type), do: ref(t)
  def ref(t, type), do: cast(ref(t), type(type))

  defp cast(ref, type), do: new(fn -> Native.cast(ref, type) end)

  @doc """
  Operands, all on one device: that of the first tensor that is no number. Those of `Nx.BinaryBackend`
  have no device, nor have numbers, wherever they were made. What is no tensor is left as it is.
  """
  @spec together([operand]) :: [operand] when operand: Nx.Tensor.t() | term
  def together(operands) do
    operands = Enum.map(operands, &as_declared/1)

    with true <- Enum.any?(operands, &movable?/1),
         %T{} = home <- Enum.find(operands, &fixed?/1) || home(operands) do
      home = handle(home)
      Enum.map(operands, &move(&1, home))
    else
      _ -> operands
    end
  end

  defp as_declared(%T{data: %B{number: number}} = t) when number != nil,
    do: if(as_stored?(t), do: t, else: put(t, ref(t)))

  defp as_declared(operand), do: operand

  defp movable?(%T{data: %B{number: number}}), do: number != nil
  defp movable?(%T{data: %Nx.BinaryBackend{}}), do: true
  defp movable?(_), do: false

  defp fixed?(%T{data: %B{number: number}}), do: number == nil
  defp fixed?(_), do: false

  # Of numbers alone, one that does not just lie where all numbers of this process are made.
  defp home(operands) do
    numbers = Enum.filter(operands, &match?(%T{data: %B{}}, &1))

    case Enum.drop_while(numbers, &on?(&1, handle(hd(numbers)))) do
      [] -> List.first(numbers)
      [other | _] -> if usual?(hd(numbers)), do: other, else: hd(numbers)
    end
  end

  defp usual?(number) do
    case Nx.default_backend() do
      {B, options} -> on?(number, engine(options))
      _ -> false
    end
  end

  @doc "Whether a tensor is on an engine, or on that of a reference."
  @spec on?(Nx.Tensor.t(), reference) :: boolean
  def on?(t, engine), do: Native.same_engine?(handle(t), engine)

  defp move(%T{data: %Nx.BinaryBackend{}} = t, home), do: from_host(t, home)

  defp move(%T{data: %B{number: number}} = t, home) when number != nil do
    if on?(t, home), do: t, else: number_on(home, t, number)
  end

  defp move(operand, _home), do: operand

  @doc "A tensor of `Nx.BinaryBackend` on an engine, or on that of a tensor. A scalar becomes a number."
  @spec from_host(Nx.Tensor.t(), reference) :: Nx.Tensor.t()
  def from_host(%T{shape: {}, vectorized_axes: []} = scalar, engine),
    do: number_on(engine, scalar, number(Nx.to_number(scalar), scalar.type))

  def from_host(t, engine), do: bits_on(engine, t, Nx.to_binary(t))

  @doc "This backend, with options for the device that the first tensor of ours is on."
  @spec backend([Nx.Tensor.t() | term]) :: {module, keyword}
  def backend(operands) do
    case Enum.find(operands, &match?(%T{data: %B{}}, &1)) do
      nil -> {B, []}
      t -> {B, device: Native.device(handle(t))}
    end
  end

  # ---- Results ----

  @doc "A tensor like the template `out`, from what a constructor of the NIF answers."
  @spec make(Nx.Tensor.t(), (() -> tuple)) :: Nx.Tensor.t()
  def make(out, constructor), do: put(out, new(constructor))

  @doc "A reference as a tensor like the template `out`. The type is made to be `out`'s."
  @spec put(Nx.Tensor.t(), reference, bitstring | nil) :: Nx.Tensor.t()
  def put(%T{type: type} = out, ref, known \\ nil) do
    atom = type(type)
    ref = if Native.type(ref) == atom, do: ref, else: cast(ref, atom)
    %{out | data: %B{ref: ref, known: known}}
  end

  @doc "An operation by name with one result."
  @spec call(Nx.Tensor.t(), atom, [reference], keyword) :: Nx.Tensor.t()
  def call(out, name, operands, options \\ []) do
    [ref] = call_all(name, operands, options)
    put(out, ref)
  end

  @doc "An operation by name, with all the references it answers."
  @spec call_all(atom, [reference], keyword) :: [reference]
  def call_all(name, operands, options \\ []),
    do: new(fn -> Native.call(name, operands, options) end)

  @doc "What a constructor of the NIF makes. Collects garbage when it asks for that."
  @spec new(reference | nil, (() -> tuple)) :: reference | [reference]
  def new(owner \\ nil, constructor) do
    case Memory.retry(owner, constructor) do
      {:ok, made} ->
        made

      {:ok, made, :pressure} ->
        made |> List.wrap() |> hd() |> Memory.relieve()
        made

      {:error, reason, message} ->
        raise_error(reason, message)
    end
  end

  # ---- Values from and to the host ----

  @doc "A tensor with the same value everywhere. A scalar is a number."
  @spec constant(Nx.Tensor.t(), term, keyword) :: Nx.Tensor.t()
  def constant(%T{shape: shape, type: type} = out, number, options) do
    engine = engine(options)
    value = number(number, type)

    if shape == {},
      do: number_on(engine, out, value),
      else: %{out | data: %B{ref: native_constant(engine, out, value)}}
  end

  defp number_on(engine, out, value),
    do: %{out | data: %B{ref: native_constant(engine, out, value), number: value}}

  defp native_constant(engine, %T{shape: shape, type: type}, value) do
    {atom, dims} = {type(type), Tuple.to_list(shape)}
    new(engine, fn -> Native.constant(engine, atom, dims, value) end)
  end

  # Integers travel in 64 bits: modulo 2^64 for integer types, as floats where they do not fit.
  defp number(n, {kind, _}) when is_integer(n) and kind in [:s, :u] do
    <<wrapped::signed-64>> = <<n::64>>
    wrapped
  end

  defp number(n, _type) when is_integer(n) and n not in -0x8000000000000000..0x7FFFFFFFFFFFFFFF,
    do: n * 1.0

  defp number(%Complex{re: re, im: im}, _type), do: {re, im}
  defp number(n, _type), do: n

  @doc "A tensor from the bits of its elements."
  @spec from_binary(Nx.Tensor.t(), bitstring, keyword) :: Nx.Tensor.t()
  def from_binary(out, bits, options), do: bits_on(engine(options), out, bits)

  defp bits_on(engine, %T{shape: shape, type: type} = out, bits) do
    {atom, dims, bytes} = {type(type), Tuple.to_list(shape), whole_bytes(bits)}
    ref = new(engine, fn -> Native.from_binary(engine, atom, dims, bytes) end)
    %{out | data: %B{ref: ref, known: if(bit_size(bits) <= @known_bits, do: bits)}}
  end

  @doc "Bits with zeros after them, to the end of the last byte."
  @spec whole_bytes(bitstring) :: binary
  def whole_bytes(bits) when is_binary(bits), do: bits
  def whole_bytes(bits), do: <<bits::bitstring, 0::size(8 - rem(bit_size(bits), 8))>>

  @doc "The bits of the first `count` elements; waits for them."
  @spec read(reference, Nx.Type.t(), pos_integer) :: bitstring
  def read(ref, {_, width}, count) do
    bits = count * width

    case Reader.read(ref, count) do
      {:ok, <<elements::bitstring-size(^bits), _padding::bitstring>>} -> elements
      {:error, %Error{reason: reason, message: message}} -> raise_error(reason, message)
    end
  end

  @doc "Elements that are known without a read, as numbers; nil when they are not."
  @spec known(Nx.Tensor.t()) :: [term] | nil
  def known(%T{type: type} = t) do
    if bits = known_bits(t), do: Codec.decode(bits, type(type), Nx.size(t.shape))
  end

  @doc "The bits of elements that are known without a read, or nil."
  @spec known_bits(Nx.Tensor.t()) :: bitstring | nil
  def known_bits(%T{data: %B{number: nil, known: nil}}), do: nil

  def known_bits(%T{data: %B{number: number, known: bits}, type: type} = t) do
    cond do
      not as_stored?(t) -> nil
      number == nil -> bits
      true -> Codec.encode([number], type(type))
    end
  end

  def known_bits(%T{data: %Nx.BinaryBackend{}, type: {_, width}} = t) do
    if Nx.size(t.shape) * width <= @known_bits, do: Nx.to_binary(t)
  end

  @doc "The bits of `count` copies of a scalar of whole bytes, if they are known and few."
  @spec known_copies(Nx.Tensor.t(), pos_integer) :: bitstring | nil
  def known_copies(%T{shape: {}, type: {_, width}} = t, count)
      when width * count <= @known_bits do
    with bits when is_binary(bits) <- known_bits(t),
         do: :binary.copy(bits, count),
         else: (_ -> nil)
  end

  def known_copies(_t, _count), do: nil

  @doc "The engine of the device that `options` of the backend name."
  @spec engine(keyword) :: reference
  def engine(options) do
    case Device.engine(options) do
      {:ok, engine} -> engine
      {:error, error} -> raise error
    end
  end

  # The exceptions that Nx's own backend raises where only the data can be wrong.
  @spec raise_error(atom, String.t()) :: no_return
  defp raise_error(reason, message)
       when reason in [:out_of_bounds, :negative_shift, :singular, :invalid_argument],
       do: raise(ArgumentError, message)

  defp raise_error(:arithmetic, message), do: raise(ArithmeticError, message)

  defp raise_error(reason, message), do: raise(Error, reason: reason, message: message)
end
