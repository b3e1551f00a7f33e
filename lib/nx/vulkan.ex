defmodule Nx.Vulkan do
  @moduledoc """
  Tensors on any GPU with a Vulkan driver, or on the CPU through Mesa's lavapipe.

      iex> t = Nx.Vulkan.tensor!([1.0, 2.0, 3.0, 4.0])
      iex> Nx.Vulkan.to_list!(Nx.Vulkan.add!(t, t))
      [2.0, 4.0, 6.0, 8.0]

  ## Values are lazy

  An operation returns at once: it adds a node to a graph. Reading (`to_list/1`, `to_binary/1`,
  `to_number/1`, `inspect/2`) computes what the value needs, in as few kernels as possible: a chain of
  elementwise operations reads its inputs once and writes its result once. `eval/1` computes without
  reading. Mistakes of shape and type are reported when the node is built; what only the data can
  show (an integer division by zero) when the value is read.

  ## Answers

  A function answers `{:ok, value}` or `{:error, reason}`; its variant with `!` answers the value, or
  raises `Nx.Vulkan.Error`, which lists the reasons and carries a message.

  ## Operands

  Where a tensor is expected, a number may stand: it becomes a scalar. Together with a tensor it takes
  the tensor's type when that can hold it, as in Nx. Shapes broadcast as in numpy. Types are atoms
  such as `:f32`; Nx's tuples, `{:f, 32}`, are accepted as well. Numbers that are not finite are
  `:nan`, `:infinity` and `:neg_infinity`; complex numbers are `{re, im}`.

  ## Memory

  A tensor's device memory is freed when no process refers to it any more, also when its process is
  killed. Garbage is collected when it holds much device memory; `deallocate/1` need not be called.

  ## Devices

  A device is named by its index in `devices/0`, by a part of its name, or by `:cpu`. Functions that
  make tensors take it in option `:device`; without it they use the default device: the one that
  `init/1` named, else `NXV_DEVICE`, else the best there is. Several devices may be in use at once. Each
  opens with the first tensor on it.

  What is computed of a tensor is on the device of that tensor, and a number goes where it is needed.
  Tensors of two devices do not mix; bring one to the other with `to_binary/1` and `from_binary/4`.

  ## Configuration

  Environment: `NXV_DEVICE` (an index, a part of a name, or `cpu`), `NXV_MEMORY_BUDGET` (bytes of each
  device, with k, m or g).
  """

  import Kernel, except: [abs: 1, ceil: 1, floor: 1, round: 1, min: 2, max: 2]
  import Nx.Vulkan.Api, only: [defapi: 2]
  import Nx.Vulkan.Codec, only: [is_value: 1, is_real: 1]

  alias Nx.Vulkan.{Api, Codec, Device, Error, Graph, Native, Operations, Reader}
  alias Nx.Vulkan.{Shape, Tensor, Type}

  @typedoc "A number; `:nan`, `:infinity` or `:neg_infinity`; or `{re, im}` of those."
  @type value :: number | :nan | :infinity | :neg_infinity | {term, term}
  @type operand :: Tensor.t() | value
  @type shape :: tuple | [pos_integer] | pos_integer
  @type type :: Type.t() | {atom, pos_integer}
  @type result :: result(Tensor.t())
  @type result(value) :: {:ok, value} | {:error, Error.reason()}
  @typedoc "An index of `devices/0`, a part of a name, or `:cpu`; nil is the default device."
  @type device :: Device.device()

  # ---- Device ----

  @doc """
  Opens the default device, unless it is open already.

  Options:

    * `:device` - makes this one the default device of the VM; otherwise that is `NXV_DEVICE`, else the
      best device there is
    * `:memory_budget` - bytes of device memory to use at most; by default `NXV_MEMORY_BUDGET`, else what
      the device offers

  `{:error, :invalid_argument}` when another device is the default already, when the device is open
  with another budget, or when an option is not known; `{:error, :no_device}` when there is none.
  """
  @spec init(keyword) :: :ok | {:error, Error.reason()}
  defapi init(options \\ []) do
    with {:ok, _engine} <- Device.open_default(options), do: :ok
  end

  @doc """
  Finishes what was asked for and closes a device. Its tensors answer `:device_lost` from then on; those
  of other devices live on. A new tensor, or `init/1` for the default device, opens it again.
  """
  @spec close(device) :: :ok | {:error, Error.reason()}
  defapi close(device \\ nil) do
    Device.close(device)
  end

  @doc """
  The Vulkan devices of this machine: maps with `:index`, `:name`, `:driver`, `:vendor_id`,
  `:vulkan_version`, `:memory_bytes`, `:cpu?`, and `:supported?`, which tells whether the device
  has what this library needs.
  """
  @spec devices() :: result([map])
  defapi(devices, do: Device.all())

  # The functions below open the device when it is not open.

  @doc "What `devices/0` tells of one device, or of the device that a tensor is on."
  @spec device(device | Tensor.t()) :: result(map)
  defapi device(device \\ nil) do
    ask(device, &Native.engine_device/1)
  end

  @doc "The name of a device, or of the device that a tensor is on."
  @spec device_name(device | Tensor.t()) :: result(String.t())
  defapi device_name(device \\ nil) do
    with {:ok, device} <- ask(device, &Native.engine_device/1), do: {:ok, device.name}
  end

  @doc """
  Memory of a device in bytes: `:in_use` by live storage, `:cached` for reuse, the `:peak` of what was in
  use, the `:budget`; and the number of live allocations (`:blocks`) and lazy values (`:nodes`).

  Answers at once: what was released a moment ago may still be counted. `trim/1` settles that.
  """
  @spec memory_stats(device) :: result(map)
  defapi memory_stats(device \\ nil) do
    ask(device, &Native.memory_stats/1)
  end

  @doc """
  What a device has done since it was opened: `:dispatches` (kernels run), `:submissions`,
  `:barriers`, `:evaluations`, `:bytes_read` and `:bytes_written` by kernels, `:kernels_compiled`, how
  many of those the driver found in its cache (`:cache_hits`), `:compile_milliseconds`, and
  `:validation_messages` of the Vulkan layers.
  """
  @spec counters(device) :: result(map)
  defapi counters(device \\ nil) do
    ask(device, &Native.counters/1)
  end

  @doc "Finishes submitted work and gives unused memory of a device back."
  @spec trim(device) :: :ok | {:error, Error.reason()}
  defapi trim(device \\ nil) do
    ask(device, &Native.trim/1)
  end

  @doc "A device, its driver, capabilities, limits and memory, as text."
  @spec describe(device) :: result(String.t())
  defapi describe(device \\ nil) do
    ask(device, &Native.engine_describe/1)
  end

  # ---- Creation ----

  @doc """
  A tensor from a number or from nested lists of numbers.

  Options:

    * `:type` - by default `:s32` for integers, `:f32` when there is a fraction, an infinity or a NaN,
      `:c64` when there is a complex number
    * `:shape` - by default that of the nested lists
    * `:device` - where to make it

  `{:error, :size_mismatch}` when lists differ in length or do not fill the shape;
  `{:error, :empty_tensor}` when there is no element.

      iex> Nx.Vulkan.tensor!([[1, 2], [3, 4]]) |> Nx.Vulkan.shape()
      {2, 2}
      iex> Nx.Vulkan.tensor([])
      {:error, :empty_tensor}
      iex> Nx.Vulkan.tensor([1, 2, 3], shape: {2, 2})
      {:error, :size_mismatch}
  """
  @spec tensor(value | list, keyword) :: result
  defapi tensor(data, options \\ []) do
    with {:ok, options} <- Api.options(options, [:type, :shape, :device]),
         {:ok, elements, shape} <- Shape.flatten(data),
         :ok <- check_values(elements),
         {:ok, type} <- Type.parse(options[:type] || Type.infer(elements)),
         :ok <- check_type(elements, type),
         {:ok, shape} <- Shape.parse(options[:shape] || shape),
         :ok <- check_count(length(elements), shape) do
      upload(options[:device], Codec.encode(elements, type), shape, type)
    end
  end

  @doc """
  A tensor from the elements' bytes in row-major order: little endian; complex numbers as their two
  parts; 2- and 4-bit types packed from the most significant bit on. Option `:device`: where to make it.

      iex> Nx.Vulkan.from_binary!(<<1, 2, 3>>, {3}, :u8) |> Nx.Vulkan.to_list!()
      [1, 2, 3]
      iex> Nx.Vulkan.from_binary(<<1, 2, 3>>, {2}, :u8)
      {:error, :size_mismatch}
  """
  @spec from_binary(bitstring, shape, type, keyword) :: result
  defapi from_binary(binary, shape, type, options \\ []) do
    with {:ok, options} <- Api.options(options, [:device]),
         {:ok, type} <- Type.parse(type),
         :ok <- check_bitstring(binary),
         {:ok, shape} <- Shape.parse(shape),
         :ok <- check_size(binary, shape, type) do
      upload(options[:device], binary, shape, type)
    end
  end

  @doc "The same value everywhere. Options: `:type`, by default as in `tensor/2`, and `:device`."
  @spec full(shape, value, keyword) :: result
  defapi full(shape, value, options \\ []) do
    with {:ok, options} <- Api.options(options, [:type, :device]),
         {:ok, shape} <- Shape.parse(shape),
         :ok <- check_values([value]),
         {:ok, type} <- Type.parse(options[:type] || Type.infer([value])),
         :ok <- check_type([value], type) do
      Graph.constant(options[:device], value, type, shape)
    end
  end

  @doc """
  Counts from zero: along the axis of option `:axis`, or over all elements in row-major order.
  Options `:type`, by default `:s32`, and `:device`.

      iex> Nx.Vulkan.iota!({2, 3}) |> Nx.Vulkan.to_list!()
      [[0, 1, 2], [3, 4, 5]]
  """
  @spec iota(shape, keyword) :: result
  defapi iota(shape, options \\ []) do
    with {:ok, options} <- Api.options(options, axis: nil, type: :s32, device: nil),
         {:ok, shape} <- Shape.parse(shape),
         {:ok, type} <- Type.parse(options[:type]),
         {:ok, axis} <- Shape.integers(options[:axis], "axis") do
      Graph.create(options[:device], &Native.iota(&1, type, shape, axis && hd(axis)))
    end
  end

  @doc """
  Ones on the diagonal of the last two axes, zeros elsewhere. A number n stands for `{n, n}`. Options
  `:type`, by default `:s32`, and `:device`.
  """
  @spec eye(shape, keyword) :: result
  defapi eye(shape, options \\ []) do
    shape = if is_integer(shape), do: {shape, shape}, else: shape

    with {:ok, options} <- Api.options(options, type: :s32, device: nil),
         {:ok, shape} <- Shape.parse(shape),
         {:ok, type} <- Type.parse(options[:type]) do
      Graph.create(options[:device], &Native.eye(&1, type, shape))
    end
  end

  @doc """
  Random numbers, uniform from `:low` (0.0) up to, without, `:high` (1.0).

  The same seed, an integer of 64 bits, gives the same numbers (Philox 4x32-10). `:offset` skips four
  numbers a step, so that one seed serves several tensors. `:type` is `:f32` by default. Option `:device` as elsewhere.
  """
  @spec random_uniform(shape, non_neg_integer, keyword) :: result
  defapi random_uniform(shape, seed, options \\ []) do
    defaults = [type: :f32, low: 0.0, high: 1.0, offset: 0, device: nil]

    random(&Native.random_uniform/7, shape, seed, options, defaults, [:low, :high])
  end

  @doc """
  Random numbers of a normal distribution with `:mean` (0.0) and standard `:deviation` (1.0).
  Seed, `:offset`, `:type` and `:device` are those of `random_uniform/3`.
  """
  @spec random_normal(shape, non_neg_integer, keyword) :: result
  defapi random_normal(shape, seed, options \\ []) do
    defaults = [type: :f32, mean: 0.0, deviation: 1.0, offset: 0, device: nil]
    random(&Native.random_normal/7, shape, seed, options, defaults, [:mean, :deviation])
  end

  # ---- Reading ----

  @doc "The shape, as a tuple."
  @spec shape(Tensor.t()) :: tuple
  def shape(%Tensor{ref: ref}), do: ref |> Native.shape() |> List.to_tuple()

  @doc "The element type, as an atom such as `:f32`."
  @spec type(Tensor.t()) :: Type.t()
  def type(%Tensor{ref: ref}), do: Native.type(ref)

  @doc "The elements as nested lists; those of a scalar as a list of one."
  @spec to_list(Tensor.t()) :: result([value] | list)
  defapi to_list(tensor) do
    with {:ok, ref} <- Graph.operand(tensor), {:ok, bytes} <- Reader.read(ref) do
      shape = Native.shape(ref)
      {:ok, bytes |> Codec.decode(Native.type(ref), Enum.product(shape)) |> Shape.nest(shape)}
    end
  end

  @doc "The only element of a tensor that has one."
  @spec to_number(Tensor.t()) :: result(value)
  defapi to_number(tensor) do
    with {:ok, ref} <- Graph.operand(tensor),
         :ok <- check_count(1, Native.shape(ref)),
         {:ok, bytes} <- Reader.read(ref) do
      {:ok, bytes |> Codec.decode(Native.type(ref), 1) |> hd()}
    end
  end

  @doc "The elements' bytes, laid out as `from_binary/3` takes them."
  @spec to_binary(Tensor.t()) :: result(bitstring)
  defapi to_binary(tensor) do
    with {:ok, ref} <- Graph.operand(tensor), {:ok, bytes} <- Reader.read(ref) do
      bits = Enum.product(Native.shape(ref)) * Type.bits(Native.type(ref))
      <<elements::bitstring-size(bits), _padding::bitstring>> = bytes
      {:ok, elements}
    end
  end

  @doc "Computes the value, waits until it is stored on the device, and answers the tensor."
  @spec eval(Tensor.t()) :: result
  defapi eval(tensor) do
    with {:ok, ref} <- Graph.operand(tensor), :ok <- Reader.evaluate(ref) do
      {:ok, %Tensor{ref: ref}}
    end
  end

  @doc """
  Gives the tensor's value up now, not when it is garbage. Later uses of the tensor, of its copies
  too, answer `{:error, :deallocated}`.

  What was computed of it keeps its value, also when that was not read yet: the memory is freed with
  the last value that needs it.

      iex> t = Nx.Vulkan.tensor!([1, 2, 3])
      iex> twice = Nx.Vulkan.multiply!(t, 2)
      iex> Nx.Vulkan.deallocate(t)
      :ok
      iex> Nx.Vulkan.to_list(t)
      {:error, :deallocated}
      iex> Nx.Vulkan.to_list!(twice)
      [2, 4, 6]
  """
  @spec deallocate(Tensor.t()) :: :ok | {:error, Error.reason()}
  defapi deallocate(tensor) do
    with {:ok, ref} <- Graph.operand(tensor), do: answer(Native.deallocate(ref))
  end

  @doc "The kernels that computing the tensor would run, as text for people."
  @spec explain(Tensor.t()) :: result(String.t())
  defapi explain(tensor) do
    with {:ok, ref} <- Graph.operand(tensor), do: answer(Native.explain(ref))
  end

  # ---- Elementwise operations ----

  for {name, doc} <- Operations.unary() do
    @doc doc
    @doc group: "Elementwise"
    @spec unquote(name)(operand) :: result
    def unquote(name)(tensor), do: Api.reason(Graph.unary(unquote(name), tensor))

    @doc Api.bang_doc(name, 1)
    @spec unquote(:"#{name}!")(operand) :: Tensor.t()
    def unquote(:"#{name}!")(tensor), do: Api.value!(Graph.unary(unquote(name), tensor))
  end

  for {name, doc} <- Operations.binary() do
    @doc doc
    @doc group: "Elementwise"
    @spec unquote(name)(operand, operand) :: result
    def unquote(name)(a, b), do: Api.reason(Graph.binary(unquote(name), a, b))

    @doc Api.bang_doc(name, 2)
    @spec unquote(:"#{name}!")(operand, operand) :: Tensor.t()
    def unquote(:"#{name}!")(a, b), do: Api.value!(Graph.binary(unquote(name), a, b))
  end

  @doc """
  `on_true` where the predicate is not zero, `on_false` elsewhere. All three broadcast.

      iex> Nx.Vulkan.tensor!([1, 0]) |> Nx.Vulkan.select!(10, 20) |> Nx.Vulkan.to_list!()
      [10, 20]
  """
  @spec select(operand, operand, operand) :: result
  defapi select(predicate, on_true, on_false) do
    Graph.select(predicate, on_true, on_false)
  end

  @doc "Elements below `low` become `low`, above `high` they become `high`; NaN stays."
  @spec clip(operand, operand, operand) :: result
  defapi clip(tensor, low, high) do
    Graph.clip(tensor, low, high)
  end

  @doc """
  Another element type. Fractions are cut off towards zero for integers, and integers keep their low
  bits.
  """
  @spec cast(operand, type) :: result
  defapi cast(tensor, type) do
    with {:ok, ref} <- Graph.operand(tensor), {:ok, type} <- Type.parse(type) do
      Graph.make(fn -> Native.cast(ref, type) end)
    end
  end

  # ---- Views ----

  @doc "Another shape with as many elements, in the same row-major order."
  @spec reshape(operand, shape) :: result
  defapi reshape(tensor, shape) do
    with {:ok, ref} <- Graph.operand(tensor), {:ok, shape} <- Shape.parse(shape) do
      Graph.make(fn -> Native.reshape(ref, shape) end)
    end
  end

  @doc """
  Repeats along new axes and along axes of length 1. Option `:axes` names the output axis of each input
  axis, ascending; by default they are the last ones.
  """
  @spec broadcast(operand, shape, keyword) :: result
  defapi broadcast(tensor, shape, options \\ []) do
    with {:ok, options} <- Api.options(options, [:axes]),
         {:ok, ref} <- Graph.operand(tensor),
         {:ok, shape} <- Shape.parse(shape),
         {:ok, axes} <- Shape.integers(options[:axes], "axes") do
      Graph.make(fn -> Native.broadcast(ref, shape, axes) end)
    end
  end

  @doc "Permutes axes. Option `:axes`: the input axis of each output axis; by default reversed."
  @spec transpose(operand, keyword) :: result
  defapi transpose(tensor, options \\ []) do
    with {:ok, options} <- Api.options(options, [:axes]),
         {:ok, ref} <- Graph.operand(tensor),
         {:ok, axes} <- Shape.integers(options[:axes], "axes") do
      Graph.make(fn -> Native.transpose(ref, axes) end)
    end
  end

  @doc """
  A part: along each axis, `lengths` elements from `starts` on, every `:strides`-th of them (option,
  by default each). Starts are moved so that the part lies inside the tensor.
  """
  @spec slice(operand, [integer], [pos_integer], keyword) :: result
  defapi slice(tensor, starts, lengths, options \\ []) do
    with {:ok, options} <- Api.options(options, [:strides]),
         {:ok, ref} <- Graph.operand(tensor),
         {:ok, starts} <- Shape.integers(starts, "starts"),
         {:ok, lengths} <- Shape.parse(lengths),
         {:ok, strides} <- Shape.integers(options[:strides], "strides") do
      Graph.make(fn -> Native.slice(ref, starts || [], lengths, strides) end)
    end
  end

  @doc "Turns the order of elements round along the option `:axes`, by default all."
  @spec reverse(operand, keyword) :: result
  defapi reverse(tensor, options \\ []) do
    with {:ok, options} <- Api.options(options, [:axes]),
         {:ok, ref} <- Graph.operand(tensor),
         {:ok, axes} <- Shape.integers(options[:axes], "axes") do
      axes = axes || Enum.to_list(0..(length(Native.shape(ref)) - 1)//1)
      Graph.make(fn -> Native.reverse(ref, axes) end)
    end
  end

  @doc "Removes axes of length 1: those of option `:axes`, by default all."
  @spec squeeze(operand, keyword) :: result
  defapi squeeze(tensor, options \\ []) do
    with {:ok, options} <- Api.options(options, [:axes]),
         {:ok, ref} <- Graph.operand(tensor),
         {:ok, axes} <- Shape.integers(options[:axes], "axes") do
      Graph.make(fn -> Native.squeeze(ref, axes) end)
    end
  end

  @doc """
  Surrounds the tensor with a value. `padding` has one `{low, high, interior}` for each axis: how many
  to put before, after, and between elements. Negative low and high crop.

      iex> Nx.Vulkan.tensor!([1, 2]) |> Nx.Vulkan.pad!(0, [{1, 2, 1}]) |> Nx.Vulkan.to_list!()
      [0, 1, 0, 2, 0, 0]
  """
  @spec pad(operand, operand, [{integer, integer, non_neg_integer}]) :: result
  defapi pad(tensor, value, padding) do
    with {:ok, [ref, value]} <- Graph.operands([tensor, value]),
         {:ok, {low, high, interior}} <- padding(padding) do
      Graph.make(fn -> Native.pad(ref, value, low, high, interior) end)
    end
  end

  @doc "Puts tensors one after the other along option `:axis`, by default the first."
  @spec concatenate([operand], keyword) :: result
  defapi concatenate(tensors, options \\ []) do
    with {:ok, options} <- Api.options(options, axis: 0),
         {:ok, [axis]} <- Shape.integers(options[:axis], "axis"),
         {:ok, refs} <- tensors |> List.wrap() |> Graph.each(&Graph.operand/1) do
      Graph.make(fn -> Native.concatenate(refs, axis) end)
    end
  end

  # ---- Reductions and contractions ----

  for {name, doc} <- Operations.reductions() do
    @doc """
    #{doc}

    Over the option `:axes`, by default all. `keep_axes: true` leaves them in the shape with length 1.
    """
    @spec unquote(name)(operand, keyword) :: result
    def unquote(name)(tensor, options \\ []),
      do: Api.reason(reduce(unquote(name), tensor, options))

    @doc Api.bang_doc(name, 2)
    @spec unquote(:"#{name}!")(operand, keyword) :: Tensor.t()
    def unquote(:"#{name}!")(tensor, options \\ []),
      do: Api.value!(reduce(unquote(name), tensor, options))
  end

  @doc """
  Matrix product of the last two axes; the axes before them broadcast. A vector stands for a row on
  the left and for a column on the right, as in numpy.

      iex> a = Nx.Vulkan.tensor!([[1.0, 2.0], [3.0, 4.0]])
      iex> Nx.Vulkan.matmul!(a, a) |> Nx.Vulkan.to_list!()
      [[7.0, 10.0], [15.0, 22.0]]
  """
  @spec matmul(operand, operand) :: result
  defapi matmul(a, b) do
    with {:ok, [a, b]} <- Graph.operands([a, b]) do
      Graph.make(fn -> Native.matmul(a, b) end)
    end
  end

  @doc """
  Sums the products along pairs of axes. By default the last axis of `a` with the last but one of `b`,
  or its only one.

  Options:

    * `:contract` - `{axes of a, axes of b}` to sum along
    * `:batch` - `{axes of a, axes of b}` that pair up and come first in the result

  The result has the batch axes, then what is left of `a`, then what is left of `b`.
  """
  @spec dot(operand, operand, keyword) :: result
  defapi dot(a, b, options \\ []) do
    with {:ok, options} <- Api.options(options, contract: nil, batch: {[], []}),
         {:ok, [a, b]} <- Graph.operands([a, b]),
         {:ok, contract_a, contract_b} <- axis_pair(options[:contract] || default_axes(a, b)),
         {:ok, batch_a, batch_b} <- axis_pair(options[:batch]) do
      Graph.make(fn -> Native.dot(a, b, contract_a, contract_b, batch_a, batch_b) end)
    end
  end

  # ---- With Nx: `compiler: Nx.Vulkan` ----

  @compile {:no_warn_undefined, Nx.Vulkan.Compiler}

  @doc false
  defdelegate __jit__(key, vars, fun, args, options), to: Nx.Vulkan.Compiler
  @doc false
  defdelegate __compile__(key, vars, fun, options), to: Nx.Vulkan.Compiler
  @doc false
  defdelegate __to_backend__(options), to: Nx.Vulkan.Compiler
  @doc false
  defdelegate __partitions_options__(options), to: Nx.Vulkan.Compiler

  # ---- Arguments ----

  defp ask(%Tensor{ref: ref}, question), do: answer(question.(ref))

  defp ask(device, question) do
    with {:ok, engine} <- Device.engine(device: device), do: answer(question.(engine))
  end

  defp answer({:error, reason, message}), do: Error.new(reason, message)
  defp answer(ok), do: ok

  # The library takes whole bytes.
  defp upload(device, bits, shape, type) do
    padding = Integer.mod(-bit_size(bits), 8)
    bytes = if padding == 0, do: bits, else: <<bits::bitstring, 0::size(padding)>>
    Graph.create(device, &Native.from_binary(&1, type, shape, bytes))
  end

  defp check_values(elements) do
    case Enum.find(elements, &(not is_value(&1))) do
      nil -> :ok
      other -> Error.new(:invalid_argument, "expected a number, got #{inspect(other)}")
    end
  end

  defp check_type(elements, type) do
    cond do
      Type.float?(type) ->
        if type not in [:c64, :c128] and not Enum.all?(elements, &is_real/1),
          do: Error.new(:invalid_argument, "a complex number is no element of type #{type}"),
          else: :ok

      other = Enum.find(elements, &(not is_integer(&1))) ->
        Error.new(:invalid_argument, "#{inspect(other)} is no element of type #{type}")

      true ->
        :ok
    end
  end

  defp check_count(count, shape) do
    if count == Enum.product(shape), do: :ok, else: size_mismatch("#{count} elements", shape)
  end

  defp check_bitstring(binary) when is_bitstring(binary), do: :ok

  defp check_bitstring(other),
    do: Error.new(:invalid_argument, "expected a binary, got #{inspect(other)}")

  # The last byte of a packed type may be filled up.
  defp check_size(binary, shape, type) do
    bits = Enum.product(shape) * Type.bits(type)

    cond do
      binary == <<>> -> Error.new(:empty_tensor, "a tensor has at least one element")
      bit_size(binary) in [bits, div(bits + 7, 8) * 8] -> :ok
      true -> size_mismatch("#{bit_size(binary)} bits of type #{type}", shape)
    end
  end

  defp size_mismatch(got, shape) do
    Error.new(:size_mismatch, "#{got} do not fill shape #{inspect(List.to_tuple(shape))}")
  end

  defp random(generate, shape, seed, options, defaults, parameters) do
    with {:ok, options} <- Api.options(options, defaults),
         {:ok, shape} <- Shape.parse(shape),
         {:ok, type} <- Type.parse(options[:type]),
         :ok <- check_counter(seed, "seed"),
         :ok <- check_counter(options[:offset], "offset"),
         [a, b] = Enum.map(parameters, &options[&1]),
         :ok <- check_parameters([a, b]) do
      Graph.create(options[:device], &generate.(&1, type, shape, seed, options[:offset], a, b))
    end
  end

  defp check_counter(n, _name) when is_integer(n) and n in 0..0xFFFFFFFFFFFFFFFF, do: :ok

  defp check_counter(other, name) do
    Error.new(:invalid_argument, "#{name}: expected 0 to 2^64 - 1, got #{inspect(other)}")
  end

  defp check_parameters(parameters) do
    if Enum.all?(parameters, &is_number/1),
      do: :ok,
      else: Error.new(:invalid_argument, "expected numbers, got #{inspect(parameters)}")
  end

  defp padding(list) do
    with true <- is_list(list),
         {:ok, triples} <- Graph.each(list, &triple/1) do
      [low, high, interior] = for i <- 0..2, do: Enum.map(triples, &elem(&1, i))
      {:ok, {low, high, interior}}
    else
      false -> Error.new(:invalid_argument, "padding: expected a list, got #{inspect(list)}")
      error -> error
    end
  end

  defp triple({low, high}), do: triple({low, high, 0})

  defp triple({low, high, interior} = triple)
       when is_integer(low) and is_integer(high) and is_integer(interior),
       do: {:ok, triple}

  defp triple(other) do
    Error.new(:invalid_argument, "padding: expected {low, high, interior}, got #{inspect(other)}")
  end

  defp reduce(op, tensor, options) do
    with {:ok, options} <- Api.options(options, axes: nil, keep_axes: false),
         {:ok, keep_axes} <- boolean(options[:keep_axes]),
         {:ok, ref} <- Graph.operand(tensor),
         {:ok, axes} <- Shape.integers(options[:axes], "axes") do
      Graph.make(fn -> Native.reduce(op, ref, axes, keep_axes) end)
    end
  end

  defp boolean(value) when is_boolean(value), do: {:ok, value}

  defp boolean(other) do
    Error.new(:invalid_argument, "keep_axes: expected true or false, got #{inspect(other)}")
  end

  defp default_axes(a, b) do
    case {length(Native.shape(a)), length(Native.shape(b))} do
      {0, _} -> {[], []}
      {_, 0} -> {[], []}
      {_, 1} -> {[-1], [0]}
      _ -> {[-1], [-2]}
    end
  end

  defp axis_pair({a, b}) do
    with {:ok, a} <- Shape.integers(a, "axes"), {:ok, b} <- Shape.integers(b, "axes") do
      {:ok, a || [], b || []}
    end
  end

  defp axis_pair(other) do
    Error.new(:invalid_argument, "expected {axes of a, axes of b}, got #{inspect(other)}")
  end
end
