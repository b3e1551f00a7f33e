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

  alias Nx.Vulkan.{Api, Call, Contraction, Creation, Device, Elementwise, Error, Inspection}
  alias Nx.Vulkan.{Native, Operations, Reading, Tensor, Type, Views}

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
  Of `:all` devices that are open, it is a map by their index. `Nx.Vulkan.Telemetry` tells of memory, too.
  """
  @spec memory_stats(device | :all) :: result(map)
  defapi memory_stats(device \\ nil) do
    if device == :all, do: Device.memory(), else: ask(device, &Native.memory_stats/1)
  end

  @doc """
  What a device has done since it was opened: `:dispatches` (kernels run), `:submissions`,
  `:barriers`, `:evaluations`, `:bytes_read` and `:bytes_written` by kernels, `:kernels_compiled`, how
  many of those the driver found in its cache (`:cache_hits`) and how many were not generated since
  their SPIR-V was kept from an earlier run (`:module_cache_hits`), `:compile_milliseconds`, and
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
  defapi(tensor(data, options \\ []), to: Creation)

  @doc """
  A tensor from the elements' bytes in row-major order: little endian; complex numbers as their two
  parts; 2- and 4-bit types packed from the most significant bit on. Option `:device`: where to make it.

      iex> Nx.Vulkan.from_binary!(<<1, 2, 3>>, {3}, :u8) |> Nx.Vulkan.to_list!()
      [1, 2, 3]
      iex> Nx.Vulkan.from_binary(<<1, 2, 3>>, {2}, :u8)
      {:error, :size_mismatch}
  """
  @spec from_binary(bitstring, shape, type, keyword) :: result
  defapi(from_binary(binary, shape, type, options \\ []), to: Creation)

  @doc "The same value everywhere. Options: `:type`, by default as in `tensor/2`, and `:device`."
  @spec full(shape, value, keyword) :: result
  defapi(full(shape, value, options \\ []), to: Creation)

  @doc """
  Counts from zero: along the axis of option `:axis`, or over all elements in row-major order.
  Options `:type`, by default `:s32`, and `:device`.

      iex> Nx.Vulkan.iota!({2, 3}) |> Nx.Vulkan.to_list!()
      [[0, 1, 2], [3, 4, 5]]
  """
  @spec iota(shape, keyword) :: result
  defapi(iota(shape, options \\ []), to: Creation)

  @doc """
  Ones on the diagonal of the last two axes, zeros elsewhere. A number n stands for `{n, n}`. Options
  `:type`, by default `:s32`, and `:device`.
  """
  @spec eye(shape, keyword) :: result
  defapi(eye(shape, options \\ []), to: Creation)

  @doc """
  Random numbers, uniform from `:low` (0.0) up to, without, `:high` (1.0).

  The same seed, an integer of 64 bits, gives the same numbers (Philox 4x32-10). `:offset` skips four
  numbers a step, so that one seed serves several tensors. `:type` is `:f32` by default. Option `:device` as elsewhere.
  """
  @spec random_uniform(shape, non_neg_integer, keyword) :: result
  defapi(random_uniform(shape, seed, options \\ []), to: Creation)

  @doc """
  Random numbers of a normal distribution with `:mean` (0.0) and standard `:deviation` (1.0).
  Seed, `:offset`, `:type` and `:device` are those of `random_uniform/3`.
  """
  @spec random_normal(shape, non_neg_integer, keyword) :: result
  defapi(random_normal(shape, seed, options \\ []), to: Creation)

  # ---- Reading ----

  @doc "The shape, as a tuple."
  @spec shape(Tensor.t()) :: tuple
  def shape(%Tensor{shape: shape}), do: shape

  @doc "The element type, as an atom such as `:f32`."
  @spec type(Tensor.t()) :: Type.t()
  def type(%Tensor{type: type}), do: type

  @doc "The elements as nested lists; those of a scalar as a list of one."
  @spec to_list(Tensor.t()) :: result([value] | list)
  defapi(to_list(tensor), to: Reading)

  @doc "The only element of a tensor that has one."
  @spec to_number(Tensor.t()) :: result(value)
  defapi(to_number(tensor), to: Reading)

  @doc "The elements' bytes, laid out as `from_binary/3` takes them."
  @spec to_binary(Tensor.t()) :: result(bitstring)
  defapi(to_binary(tensor), to: Reading)

  @doc "Computes the value, waits until it is stored on the device, and answers the tensor."
  @spec eval(Tensor.t()) :: result
  defapi(eval(tensor), to: Reading)

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
  defapi(deallocate(tensor), to: Reading)

  @doc """
  What computing a tensor, or calling a definition, would run, as text: regions, why each was cut, their
  kernels with the numbers of workgroups, bytes, and operations on floating-point numbers.

  Of a tensor, with `ir: true`, the code of its kernels too.

  Of a definition the second argument is the list of its arguments, tensors or templates. What
  `explain/3` tells of it is what `compiler: Nx.Vulkan` runs.
  """
  @spec explain(Tensor.t() | fun, keyword | list) :: result(String.t())
  defapi(explain(tensor_or_definition, options_or_arguments \\ []), to: Inspection)

  @doc """
  What `compiler: Nx.Vulkan` makes of a definition for such arguments, tensors or templates. Nothing is
  run, but its kernels are compiled, so that the first call finds them.

      Nx.Vulkan.explain!(&MyApp.Model.predict/2, [params, Nx.template({32, 784}, :f32)]) |> IO.puts()

  Its steps come in their order, those of loops and branches inside of them, with the bytes of temporary
  values, and the arguments that are written over when nobody else holds them. Arguments are called by
  their number: containers count with all of their tensors. Bytes and operations of loops and branches
  are those of one round or call, and not part of sums.

  Options:

    * `:format` - `:text`, or `:svg` for a picture: an SVG document of its own
    * `:device`, `:memory_budget`, `:precision`, `:hooks` - those of `Nx.Vulkan.Compiler`

  A definition that needs the host in its midst is no program: the text says so, and there is no picture
  of it (`{:error, :unsupported}`). Raises what the definition raises when it is traced.
  """
  @spec explain(fun, list, keyword) :: result(String.t())
  defapi(explain(definition, arguments, options), to: Inspection)

  @doc """
  Runs a function and tells where the time went, as a table: on the host by phase, on the device by region
  of a program, with rates of bytes and of operations on floating-point numbers.

      Nx.Vulkan.profile!(fn -> train(state, batch) |> read_loss() end, trace: "step.json") |> IO.puts()
      Nx.Vulkan.profile!(&MyApp.Model.predict/2, [params, x]) |> IO.puts()

  A function without arguments is called once; what it neither reads nor starts is not part of the
  profile. A definition is called as `profile/3` says. The second argument is the options, or the list of
  the definition's arguments.

  Options:

    * `:trace` - a file to write, for chrome://tracing and ui.perfetto.dev
    * `:format` - `:text`, or `:svg` for a picture of that time and of the memory in use meanwhile
    * `:device` - which device to measure, by default the default one

  Phases of the engine's thread are those of all that the device is asked for meanwhile, also by other
  processes: `schedule` (from graphs to programs), `compile` (waiting for kernels), `upload`, `record`,
  `submit` and `wait` (for the device). What the caller does is `call`, then `wait` until all is done. A
  device without timestamps has no device times; the table says so.

  `{:error, :invalid_argument}` when a profile of this device is under way, or the file cannot be written.
  """
  @spec profile((() -> term) | fun, keyword | list) :: result(String.t())
  defapi(profile(function_or_definition, options_or_arguments \\ []), to: Inspection)

  @doc """
  Calls a definition, compiled by `compiler: Nx.Vulkan`, and tells where the time went: see `profile/2`.
  The caller's phases are `build`, which traces it unless its program is there, `call` and `wait`.

  The name of the definition stands above the table, with its file, and its line where its module keeps
  documentation: Nx's expressions know no lines. Regions of a call have the name of the definition that
  was called, and the numbers of `explain/3`.

  Options: those of `profile/2`, `:runs` (how often it is called, 1), and `:memory_budget`, `:precision` and
  `:hooks` of `Nx.Vulkan.Compiler`.
  """
  @spec profile(fun, list, keyword) :: result(String.t())
  defapi(profile(definition, arguments, options), to: Inspection)

  # ---- Elementwise operations ----

  for {name, doc} <- Operations.unary() do
    @doc doc
    @doc group: "Elementwise"
    @spec unquote(name)(operand) :: result
    def unquote(name)(tensor), do: Api.reason(Elementwise.unary(unquote(name), tensor))

    @doc Api.bang_doc(name, 1)
    @spec unquote(:"#{name}!")(operand) :: Tensor.t()
    def unquote(:"#{name}!")(tensor), do: Api.value!(Elementwise.unary(unquote(name), tensor))
  end

  for {name, doc} <- Operations.binary() do
    @doc doc
    @doc group: "Elementwise"
    @spec unquote(name)(operand, operand) :: result
    def unquote(name)(a, b), do: Api.reason(Elementwise.binary(unquote(name), a, b))

    @doc Api.bang_doc(name, 2)
    @spec unquote(:"#{name}!")(operand, operand) :: Tensor.t()
    def unquote(:"#{name}!")(a, b), do: Api.value!(Elementwise.binary(unquote(name), a, b))
  end

  @doc """
  `on_true` where the predicate is not zero, `on_false` elsewhere. All three broadcast.

      iex> Nx.Vulkan.tensor!([1, 0]) |> Nx.Vulkan.select!(10, 20) |> Nx.Vulkan.to_list!()
      [10, 20]
  """
  @spec select(operand, operand, operand) :: result
  defapi(select(predicate, on_true, on_false), to: Elementwise)

  @doc "Elements below `low` become `low`, above `high` they become `high`; NaN stays."
  @spec clip(operand, operand, operand) :: result
  defapi(clip(tensor, low, high), to: Elementwise)

  @doc """
  Another element type. Fractions are cut off towards zero for integers, and integers keep their low
  bits.
  """
  @spec cast(operand, type) :: result
  defapi(cast(tensor, type), to: Elementwise)

  # ---- Views ----

  @doc "Another shape with as many elements, in the same row-major order."
  @spec reshape(operand, shape) :: result
  defapi(reshape(tensor, shape), to: Views)

  @doc """
  Repeats along new axes and along axes of length 1. Option `:axes` names the output axis of each input
  axis, ascending; by default they are the last ones.
  """
  @spec broadcast(operand, shape, keyword) :: result
  defapi(broadcast(tensor, shape, options \\ []), to: Views)

  @doc "Permutes axes. Option `:axes`: the input axis of each output axis; by default reversed."
  @spec transpose(operand, keyword) :: result
  defapi(transpose(tensor, options \\ []), to: Views)

  @doc """
  A part: along each axis, `lengths` elements from `starts` on, every `:strides`-th of them (option,
  by default each). Starts are moved so that the part lies inside the tensor.
  """
  @spec slice(operand, [integer], [pos_integer], keyword) :: result
  defapi(slice(tensor, starts, lengths, options \\ []), to: Views)

  @doc "Turns the order of elements round along the option `:axes`, by default all."
  @spec reverse(operand, keyword) :: result
  defapi(reverse(tensor, options \\ []), to: Views)

  @doc "Removes axes of length 1: those of option `:axes`, by default all."
  @spec squeeze(operand, keyword) :: result
  defapi(squeeze(tensor, options \\ []), to: Views)

  @doc """
  Surrounds the tensor with a value. `padding` has one `{low, high, interior}` for each axis: how many
  to put before, after, and between elements. Negative low and high crop.

      iex> Nx.Vulkan.tensor!([1, 2]) |> Nx.Vulkan.pad!(0, [{1, 2, 1}]) |> Nx.Vulkan.to_list!()
      [0, 1, 0, 2, 0, 0]
  """
  @spec pad(operand, operand, [{integer, integer, non_neg_integer}]) :: result
  defapi(pad(tensor, value, padding), to: Views)

  @doc "Puts tensors one after the other along option `:axis`, by default the first."
  @spec concatenate([operand], keyword) :: result
  defapi(concatenate(tensors, options \\ []), to: Views)

  # ---- Reductions and contractions ----

  for {name, doc} <- Operations.reductions() do
    @doc """
    #{doc}

    Over the option `:axes`, by default all. `keep_axes: true` leaves them in the shape with length 1.
    """
    @spec unquote(name)(operand, keyword) :: result
    def unquote(name)(tensor, options \\ []),
      do: Api.reason(Contraction.reduce(unquote(name), tensor, options))

    @doc Api.bang_doc(name, 2)
    @spec unquote(:"#{name}!")(operand, keyword) :: Tensor.t()
    def unquote(:"#{name}!")(tensor, options \\ []),
      do: Api.value!(Contraction.reduce(unquote(name), tensor, options))
  end

  @doc """
  Matrix product of the last two axes; the axes before them broadcast. A vector stands for a row on
  the left and for a column on the right, as in numpy.

      iex> a = Nx.Vulkan.tensor!([[1.0, 2.0], [3.0, 4.0]])
      iex> Nx.Vulkan.matmul!(a, a) |> Nx.Vulkan.to_list!()
      [[7.0, 10.0], [15.0, 22.0]]

  Options:

    * `:precision` - of `f32`: `:accurate`, or `:fast`, which multiplies factors that are rounded to
      eleven bits where the device has matrix units and the product is large enough. By default what
      `config :nx_vulkan, precision:` says, which is `:accurate`
  """
  @spec matmul(operand, operand, keyword) :: result
  defapi(matmul(a, b, options \\ []), to: Contraction)

  @doc """
  Sums the products along pairs of axes. By default the last axis of `a` with the last but one of `b`,
  or its only one.

  Options:

    * `:contract` - `{axes of a, axes of b}` to sum along
    * `:batch` - `{axes of a, axes of b}` that pair up and come first in the result
    * `:precision` - as for `matmul/3`

  The result has the batch axes, then what is left of `a`, then what is left of `b`.
  """
  @spec dot(operand, operand, keyword) :: result
  defapi(dot(a, b, options \\ []), to: Contraction)

  # ---- By name ----

  @doc """
  Any operation of the library, by its name: those above, and indexing, windows, convolution, sorts,
  scans, Fourier transforms, linear algebra.

  Operands are a list. Options have the names that `operations/0` lists; those that are nil are left
  out. Answers a tensor, or a tuple of tensors where there are several results. What takes no operands
  makes a tensor on the default device, or on that of option `:device`.

      iex> t = Nx.Vulkan.tensor!([[3, 1, 2], [9, 7, 8]])
      iex> Nx.Vulkan.call!(:sort, [t], axis: 1, descending: true) |> Nx.Vulkan.to_list!()
      [[3, 2, 1], [9, 8, 7]]
      iex> Nx.Vulkan.call!(:window_max, [t], window: {1, 2}) |> Nx.Vulkan.to_list!()
      [[3, 2], [9, 8]]
      iex> Nx.Vulkan.call!(:iota, [], shape: {3}, type: :f32) |> Nx.Vulkan.to_list!()
      [0.0, 1.0, 2.0]
      iex> {values, positions} = Nx.Vulkan.call!(:top_k, [t], k: 2)
      iex> {Nx.Vulkan.to_list!(values), Nx.Vulkan.to_list!(positions)}
      {[[3, 2], [9, 8]], [[0, 2], [0, 2]]}

  Functions of `:reduce` and `:window_reduce` are scalars that are computed of two `:parameter`s, the
  element and the accumulator:

      iex> x = Nx.Vulkan.call!(:parameter, [], type: :s32)
      iex> acc = Nx.Vulkan.call!(:parameter, [], type: :s32)
      iex> body = Nx.Vulkan.add!(Nx.Vulkan.multiply!(acc, 10), x)
      iex> Nx.Vulkan.call!(:reduce, [Nx.Vulkan.tensor!([1, 2, 3]), 0, x, acc, body])
      ...> |> Nx.Vulkan.to_number!()
      123

  Raises `ArgumentError`, which lists those that exist, for a name or an option that does not. All else
  is answered: `{:error, :invalid_argument}` for operands, shapes and values that the operation does
  not take.
  """
  @spec call(atom, [operand], keyword) :: result(Tensor.t() | tuple)
  defapi(call(name, operands, options \\ []), to: Call)

  @doc """
  What `call/3` reaches, by name: maps with `:name`, `:summary`, how many `:operands` it takes (at least
  so many when the number is negative), its `:options` with their kinds (`:integer`, `:integers`,
  `:flag`, `:real`, `:type`, `:number`), and `:primitive?`, which tells whether it is one node of the
  graph.

      iex> Nx.Vulkan.operations().sort.options
      [axis: :integer, descending: :flag]
  """
  @spec operations() :: %{atom => map}
  def operations, do: Call.table()

  # ---- With Nx ----

  @compile {:no_warn_undefined, [Nx.Vulkan.Attention, Nx.Vulkan.Compiler]}

  @doc """
  Attention of tensors of Nx: `softmax(scale * q . k) . v` of each head, without scores in memory. Needs
  Nx; in definitions too.

      defn layer(q, k, v), do: Nx.Vulkan.attention(q, k, v, causal: true)

  Queries are `{batch, heads, queries, width}`, keys `{batch, kv_heads, keys, width}` and values
  `{batch, kv_heads, keys, value_width}`, floats; `kv_heads` divides `heads`. The result is
  `{batch, heads, queries, value_width}`, in the type of the queries. A query that sees no key has the
  result 0.

  Options:

    * `:scale` - of scores, by default `1 / sqrt(width)`
    * `:causal` - whether a query sees no keys after its own position, by default false
    * `:window` - how many keys a query sees, its own position the last, or, unless causal, the one in the
      middle of `2 * window - 1`
    * `:offset` - the position of the first query among the keys: an integer, by default `keys - queries`,
      or a tensor `{batch}` of integers
    * `:lengths` - a tensor `{batch}` of integers: keys from there on are left out
    * `:soft_cap` - scores s become `soft_cap * tanh(s / soft_cap)`
    * `:bias` - a tensor that is added to scores; broadcasts to `{batch, heads, queries, keys}`
    * `:mask` - a tensor of the same kind: where it is 0, scores become `:masked`, by default -infinity
    * `:masked` - that number; in definitions, which may have gradients, not below -30 000
    * `:sinks` - a tensor `{heads}`: a score more in each row, which has no value
    * `:heads_axis` - 2 where all tensors are `{batch, length, heads, width}` instead

  Of f16, bf16 and f32, widths up to 256, this is one operation of the library, and so are its
  gradients, which recompute what they need (Dao, "FlashAttention-2", 2023). It is an `Nx.block/4` whose
  default is plain Nx: other types and backends compute that, and gradients where there is a `:bias`.

  Raises `ArgumentError` for options and shapes that do not fit.
  """
  @spec attention(struct, struct, struct, keyword) :: struct
  def attention(q, k, v, options \\ []), do: Nx.Vulkan.Attention.attention(q, k, v, options)

  # What definitions call.
  @doc false
  def unquote(:"__defn:attention__")(q, k, v, options \\ []), do: attention(q, k, v, options)

  @doc false
  defdelegate __jit__(key, vars, fun, args, options), to: Nx.Vulkan.Compiler
  @doc false
  defdelegate __compile__(key, vars, fun, options), to: Nx.Vulkan.Compiler
  @doc false
  defdelegate __to_backend__(options), to: Nx.Vulkan.Compiler
  @doc false
  defdelegate __partitions_options__(options), to: Nx.Vulkan.Compiler
  @doc false
  defdelegate __shard_jit__(key, mesh, vars, fun, args, options), to: Nx.Vulkan.Compiler

  defp ask(%Tensor{ref: ref}, question), do: Error.from_native(question.(ref))

  defp ask(device, question) do
    with {:ok, engine} <- Device.engine(device: device),
         do: Error.from_native(question.(engine))
  end
end
