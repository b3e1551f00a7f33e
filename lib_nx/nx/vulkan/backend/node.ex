defmodule Nx.Vulkan.Backend.Node do
  @moduledoc false
  # Between Nx's tensors and the values of the lazy graph: operands become values of the type and shape
  # that Nx declares, and values become tensors with the type that Nx wants.

  alias Nx.Tensor, as: T
  alias Nx.Vulkan.{Codec, Device, Error, Native, Number, Precision, Reader, Tensor, Type, Value}
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
  The value of an operand, of whichever backend: Nx hands over tensors of `Nx.BinaryBackend` beside
  ours, numbers above all.

  It is of the type and shape that the tensor declares, which need not be the stored ones: the gradient
  of a loop over f64 is declared as f32 by Nx 0.13. Another number of elements than the stored one
  raises, and so does a tensor of another VM.
  """
  @spec value(Nx.Tensor.t()) :: Tensor.t()
  def value(%T{data: %B{}} = t) do
    t |> stored() |> shaped(declared_shape(t)) |> cast(type(t.type))
  end

  def value(%T{data: %Nx.BinaryBackend{}} = t), do: value(from_host(t, engine([])))

  def value(%T{data: %other{}}) do
    raise Nx.Defn.IncompatibleBackendsError, backend1: B, backend2: other
  end

  @doc "The value of an operand, cast to `type` unless it has that type."
  @spec value(Nx.Tensor.t(), Nx.Type.t()) :: Tensor.t()
  def value(t, type), do: t |> value() |> cast(type(type))

  @doc "The reference of the value of an operand, of its own type or of another."
  @spec ref(Nx.Tensor.t()) :: reference
  def ref(t), do: value(t).ref
  @spec ref(Nx.Tensor.t(), Nx.Type.t()) :: reference
  def ref(t, type), do: value(t, type).ref

  @doc "The value that a tensor of ours holds, whatever type and shape the tensor declares."
  @spec stored(Nx.Tensor.t()) :: Tensor.t()
  def stored(%T{data: %B{ref: ref, type: type, shape: shape, engine: engine}})
      when node(ref) == node(),
      do: %Tensor{ref: ref, type: type, shape: shape, engine: engine}

  def stored(%T{data: %B{ref: ref}}) do
    raise ArgumentError,
          "the tensor lives on a device of node #{inspect(node(ref))}; " <>
            "call Nx.backend_transfer/1 there before sending it to another node"
  end

  @doc "The same tensor with a reference of its own, which lives on when this one is deallocated."
  @spec another(Nx.Tensor.t()) :: Nx.Tensor.t()
  def another(%T{data: %B{} = data} = t) do
    %Tensor{ref: ref, shape: shape} = stored(t)
    copy = new(ref, fn -> Native.reshape(ref, Tuple.to_list(shape)) end)
    %{t | data: %{data | ref: copy.ref}}
  end

  defp shaped(%Tensor{shape: shape} = value, shape), do: value

  defp shaped(%Tensor{ref: ref, type: type, shape: shape}, declared) do
    if Tuple.product(shape) != Tuple.product(declared) do
      raise ArgumentError,
            "the tensor declares shape #{inspect(declared)}, but its data is " <>
              "#{type} of shape #{inspect(shape)}"
    end

    new(fn -> Native.reshape(ref, Tuple.to_list(declared)) end)
  end

  # Vectorized axes come first.
  defp declared_shape(%T{vectorized_axes: [], shape: shape}), do: shape

  defp declared_shape(%T{vectorized_axes: axes, shape: shape}),
    do: List.to_tuple(Keyword.values(axes) ++ Tuple.to_list(shape))

  # What the host knows of a tensor's elements is of the stored type.
  defp as_stored?(%T{data: %B{type: stored, shape: shape}} = t),
    do: stored == type(t.type) and shape == declared_shape(t)

  defp cast(%Tensor{type: type} = value, type), do: value
  defp cast(%Tensor{ref: ref}, type), do: new(fn -> Native.cast(ref, type) end)

  @doc """
  Operands, all on one device: that of the first tensor that is no number. Those of `Nx.BinaryBackend`
  have no device, nor have numbers, wherever they were made. What is no tensor is left as it is.
  """
  @spec together([operand]) :: [operand] when operand: Nx.Tensor.t() | term
  def together(operands) do
    operands = Enum.map(operands, &as_declared/1)

    with true <- Enum.any?(operands, &movable?/1),
         %T{} = home <- Enum.find(operands, &fixed?/1) || home(operands) do
      Enum.map(operands, &move(&1, stored(home).engine))
    else
      _ -> operands
    end
  end

  defp as_declared(%T{data: %B{number: number}} = t) when number != nil,
    do: if(as_stored?(t), do: t, else: put(t, value(t)))

  defp as_declared(operand), do: operand

  defp movable?(%T{data: %B{number: number}}), do: number != nil
  defp movable?(%T{data: %Nx.BinaryBackend{}}), do: true
  defp movable?(_), do: false

  defp fixed?(%T{data: %B{number: number}}), do: number == nil
  defp fixed?(_), do: false

  # Of numbers alone, one that does not just lie where all numbers of this process are made.
  defp home(operands) do
    numbers = Enum.filter(operands, &match?(%T{data: %B{}}, &1))

    case Enum.drop_while(numbers, &on?(&1, stored(hd(numbers)).engine)) do
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

  @doc "Whether a tensor is on an engine."
  @spec on?(Nx.Tensor.t(), reference) :: boolean
  def on?(t, engine), do: stored(t).engine == engine

  defp move(%T{data: %Nx.BinaryBackend{}} = t, engine), do: from_host(t, engine)

  defp move(%T{data: %B{number: number}} = t, engine) when number != nil do
    if on?(t, engine), do: t, else: number_on(engine, t, number)
  end

  defp move(operand, _engine), do: operand

  @doc "A tensor of `Nx.BinaryBackend` on an engine. A scalar becomes a number."
  @spec from_host(Nx.Tensor.t(), reference) :: Nx.Tensor.t()
  def from_host(%T{shape: {}, vectorized_axes: []} = scalar, engine),
    do: number_on(engine, scalar, Number.to_native(Nx.to_number(scalar), type(scalar.type)))

  def from_host(t, engine), do: bits_on(engine, t, Nx.to_binary(t))

  @doc "A tensor of any backend on an engine, if it is not there."
  @spec bring(Nx.Tensor.t(), reference) :: Nx.Tensor.t()
  def bring(%T{data: %Nx.BinaryBackend{}} = t, engine), do: from_host(t, engine)

  def bring(%T{data: %B{}} = t, engine) do
    cond do
      on?(t, engine) -> t
      t.data.number != nil -> t |> as_declared() |> move(engine)
      true -> Nx.backend_copy(t, {B, device: Native.device(engine)})
    end
  end

  # A backend that has no copies gives its tensor away.
  def bring(%T{data: %other{}} = t, engine) do
    if Code.ensure_loaded?(other) and not function_exported?(other, :backend_copy, 3),
      do: t |> Nx.backend_transfer(Nx.BinaryBackend) |> from_host(engine),
      else: Nx.backend_copy(t, {B, device: Native.device(engine)})
  end

  @doc """
  This backend, with options for the device that the first tensor of ours is on and the precision of
  this process.
  """
  @spec backend([Nx.Tensor.t() | term]) :: {module, keyword}
  def backend(operands) do
    case Enum.find(operands, &match?(%T{data: %B{}}, &1)) do
      nil -> {B, precision: precision()}
      t -> on(stored(t).engine)
    end
  end

  @doc "This backend, with options for the engine's device and the precision of this process."
  @spec on(reference) :: {module, keyword}
  def on(engine), do: {B, device: Native.device(engine), precision: precision()}

  @doc "Of products that this process builds: the default backend's, else what is configured."
  @spec precision() :: Precision.t()
  def precision do
    case Nx.default_backend() do
      {B, options} -> options[:precision] || Precision.configured()
      _ -> Precision.configured()
    end
  end

  # ---- Results ----

  @doc "A tensor like the template `out`, from what a constructor of the NIF answers."
  @spec make(Nx.Tensor.t(), (() -> tuple)) :: Nx.Tensor.t()
  def make(out, constructor), do: put(out, new(constructor))

  @doc "A value as a tensor like the template `out`. The type is made to be `out`'s."
  @spec put(Nx.Tensor.t(), Tensor.t(), keyword) :: Nx.Tensor.t()
  def put(%T{type: type} = out, %Tensor{} = value, host \\ []) do
    %Tensor{ref: ref, type: type, shape: shape, engine: engine} = cast(value, type(type))
    data = %B{ref: ref, type: type, shape: shape, engine: engine}
    holding(out, struct!(data, host))
  end

  # From 0.14 on, Nx marks arguments that may be donated. What is computed is not marked.
  if Map.has_key?(T.__struct__(), :donatable?) do
    defp holding(out, data), do: %{out | data: data, donatable?: false}
  else
    defp holding(out, data), do: %{out | data: data}
  end

  @doc "An operation by name with one result."
  @spec call(Nx.Tensor.t(), atom, [reference], keyword) :: Nx.Tensor.t()
  def call(out, name, operands, options \\ []) do
    [value] = call_all(name, operands, options)
    put(out, value)
  end

  @doc "An operation by name, with all the values it answers. Options that are nil are left out."
  @spec call_all(atom, [reference], keyword) :: [Tensor.t()]
  def call_all(name, operands, options \\ []) do
    given = Enum.reject(options, fn {_, value} -> value == nil end)
    new(fn -> Native.call(name, operands, given) end)
  end

  @doc "What a constructor of the NIF makes. Failures raise as those of Nx's own backend do."
  @spec new(reference | nil, (() -> tuple)) :: Value.made()
  def new(owner \\ nil, constructor), do: owner |> Value.make(constructor) |> unwrap!()

  defp unwrap!({:ok, value}), do: value
  defp unwrap!({:error, error}), do: raise(Error.for_nx(error))

  # ---- Functions ----

  @doc "An argument of a function, like the value of a tensor; on the engine that `home` is or lives on."
  @spec parameter(reference, Nx.Tensor.t()) :: Nx.Tensor.t()
  def parameter(home, %T{type: type} = like) do
    {atom, dims} = {type(type), like |> declared_shape() |> Tuple.to_list()}
    make(like, fn -> Native.parameter(home, atom, dims) end)
  end

  # ---- Values from and to the host ----

  @doc "A tensor with the same value everywhere. A scalar is a number."
  @spec constant(Nx.Tensor.t(), term, keyword) :: Nx.Tensor.t()
  def constant(out, number, options), do: constant_on(engine(options), out, number)

  @doc "The same on the engine that `home` is or lives on."
  @spec constant_on(reference, Nx.Tensor.t(), term) :: Nx.Tensor.t()
  def constant_on(home, %T{shape: shape, type: type} = out, number) do
    number = Number.to_native(number, type(type))

    if shape == {},
      do: number_on(home, out, number),
      else: put(out, native_constant(home, out, number))
  end

  defp number_on(engine, out, number),
    do: put(out, native_constant(engine, out, number), number: number)

  defp native_constant(engine, %T{shape: shape, type: type}, value) do
    {atom, dims} = {type(type), Tuple.to_list(shape)}
    new(engine, fn -> Native.constant(engine, atom, dims, value) end)
  end

  @doc "A tensor from the bits of its elements."
  @spec from_binary(Nx.Tensor.t(), bitstring, keyword) :: Nx.Tensor.t()
  def from_binary(out, bits, options), do: bits_on(engine(options), out, bits)

  defp bits_on(engine, %T{shape: shape, type: type} = out, bits) do
    {atom, dims, bytes} = {type(type), Tuple.to_list(shape), Codec.whole_bytes(bits)}
    value = engine |> Value.upload(atom, dims, bytes) |> unwrap!()
    put(out, value, known: if(bit_size(bits) <= @known_bits, do: bits))
  end

  @doc "The bits of the first `count` elements; waits for them."
  @spec read(Tensor.t(), Nx.Type.t(), pos_integer) :: bitstring
  def read(value, {_, width}, count) do
    bits = count * width

    <<elements::bitstring-size(^bits), _padding::bitstring>> =
      value |> Reader.read(count) |> unwrap!()

    elements
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
    case Device.engine(Keyword.delete(options, :precision)) do
      {:ok, engine} -> engine
      {:error, error} -> raise error
    end
  end
end
