defmodule Nx.Vulkan.Backend do
  @moduledoc """
  An opaque `Nx` backend on any GPU with a Vulkan driver, or on the CPU through Mesa's lavapipe.

      Nx.global_default_backend(Nx.Vulkan.Backend)

  Every operation runs on the device. Values are lazy: an operation adds a node to a graph, and
  reading (`Nx.to_binary/1`, `Nx.to_number/1`, inspecting) computes what the value needs in as few
  kernels as possible.

  ## Options

    * `:device` - an index of `Nx.Vulkan.devices/0`, a part of a device's name, or `:cpu`; by default
      the device that `Nx.Vulkan.init/1` named, else `NXV_DEVICE`, else the best there is
    * `:memory_budget` - bytes of that device's memory to use at most
    * `:precision` - `:accurate` or `:fast`, see below

  ## Devices

  A device opens with the first tensor on it, and as many may be open as there are. The memory budget is
  that of the options it was opened with; others raise until `Nx.Vulkan.close/1`.

  Results are on the device of the operands. Operands of `Nx.BinaryBackend`, and numbers, follow the
  others; an operation on tensors of two devices raises. `Nx.backend_transfer/2` and
  `Nx.backend_copy/2` bring a tensor to another device:

      Nx.backend_transfer(t, {Nx.Vulkan.Backend, device: 1})

  What makes tensors from nothing (`Nx.iota/2`, `Nx.Random`) uses the default backend, which
  `Nx.with_default_backend/2` sets for a while.

  ## Precision

  Products of `f32` (`Nx.dot/4`, `Nx.conv/3` and what is made of them) are as accurate as `f32` is. With
  `precision: :fast` their factors are rounded to eleven bits, each row and column on a scale of its own,
  and multiplied on matrix units: errors of 3e-4 of the norms, in a fraction of the time, much as other
  frameworks do by default on GPUs with TF32. Small products, other types, attention and devices without
  matrix units know no difference.

  The precision is that of the default backend where the product is built, whatever the operands were
  made with; that of the compiler's option in definitions that are compiled; and without these

      config :nx_vulkan, precision: :fast

  ## Pointers

  `Nx.to_pointer/2` copies the elements to the host, where they stay until the tensor is garbage or
  deallocated: hold it as long as the pointer is used. With `mode: :ipc` the copy is in shared memory
  (`shm_open`), whose name is the pointer's `handle`: another program of this machine opens it, or
  another VM with `Nx.from_pointer/5`, which copies the elements to its device. The name disappears with
  the tensor, and when the VM exits; a VM that is killed leaves it behind. `:permissions` (0o400) are
  those of the segment, less the umask and all beyond 0o777. Windows has local pointers only.

  ## Configuration

  The name of the backend on inspected tensors is left out with

      config :nx_vulkan, :add_backend_on_inspect, false

  Decompositions, solvers and determinants are operations of the library. Cholesky, LU and eigh of small
  matrices have the digits of `Nx.BinaryBackend`; all else is computed in `f64` where the device has it,
  and rounded once. With

      config :nx_vulkan, linear_algebra: :composed

  they run as Nx composes them of other operations, still on the device: step by step and with those
  digits at every size, in hundreds or thousands of kernels instead of a few. `:native` is the
  default; the value is read at every call, so that `Application.put_env/3` changes it too.

  Where results differ from those of `Nx.BinaryBackend` is told in the guides, "Backend
  documentation".
  """

  @behaviour Nx.Backend

  alias Nx.Tensor, as: T
  alias Nx.Vulkan.{Device, Native, Precision}
  alias Nx.Vulkan.Backend.{Block, Check, Closure, Elementwise, Node, Storage}

  @typedoc """
  The data of a tensor: a reference to a lazy value, with the value's type, shape and engine; its bits
  if the host has them, and the number that it was made from if it is a number.
  """
  @type t :: %__MODULE__{
          ref: reference,
          type: Nx.Vulkan.Type.t(),
          shape: tuple,
          engine: reference,
          known: bitstring | nil,
          number: term
        }

  @enforce_keys [:ref, :type, :shape, :engine]
  defstruct [:ref, :type, :shape, :engine, :known, :number]

  @impl true
  def init(options) do
    {precision, place} =
      if Keyword.keyword?(options), do: Keyword.pop(options, :precision), else: {nil, options}

    with {:ok, precision} <- Precision.validate(precision),
         {:ok, place} <- Device.validate(place) do
      if precision, do: place ++ [precision: precision], else: place
    else
      {:error, error} -> raise ArgumentError, error.message
    end
  end

  # ---- Creation ----

  @impl true
  defdelegate constant(out, number, options), to: Node

  @impl true
  def from_binary(out, bits, options) do
    Node.from_binary(
      out,
      if(is_list(bits), do: :erlang.list_to_bitstring(bits), else: bits),
      options
    )
  end

  @impl true
  def iota(out, axis, options) do
    engine = Node.engine(options)
    Node.make(out, fn -> Native.iota(engine, Node.type(out.type), dims(out), axis) end)
  end

  @impl true
  def eye(out, options) do
    engine = Node.engine(options)
    Node.make(out, fn -> Native.eye(engine, Node.type(out.type), dims(out)) end)
  end

  # ---- Storage ----

  for {name, arity} <- [
        to_binary: 2,
        backend_copy: 3,
        backend_transfer: 3,
        backend_deallocate: 1,
        to_batched: 3,
        to_pointer: 2,
        from_pointer: 5,
        inspect: 2
      ] do
    args = Macro.generate_arguments(arity, __MODULE__)
    @impl true
    defdelegate unquote(name)(unquote_splicing(args)), to: Storage
  end

  # ---- Elementwise ----

  for {name, _} <- Nx.Shared.unary_math_funs() do
    @impl true
    def unquote(name)(out, a), do: Elementwise.unary(out, unquote(name), a)
  end

  for name <-
        ~w(abs bitwise_not ceil conjugate floor negate round sign)a ++
          ~w(count_leading_zeros population_count real imag is_nan is_infinity)a do
    @impl true
    def unquote(name)(out, a), do: Elementwise.unary(out, unquote(name), a)
  end

  for name <-
        ~w(add subtract multiply divide pow quotient min max)a ++
          ~w(bitwise_and bitwise_or bitwise_xor)a do
    @impl true
    def unquote(name)(out, a, b), do: Elementwise.arithmetic(out, unquote(name), a, b)
  end

  @impl true
  def remainder(out, a, b) do
    Check.finite!([a, b])
    Elementwise.arithmetic(out, :remainder, a, b)
  end

  for name <- ~w(left_shift right_shift)a do
    @impl true
    def unquote(name)(out, a, b) do
      Check.shift!(unquote(name), b)
      Elementwise.arithmetic(out, unquote(name), a, b)
    end
  end

  @impl true
  def atan2(out, a, b),
    do: Elementwise.arithmetic(out, :atan2, Check.real!(:atan2, a), Check.real!(:atan2, b))

  for name <-
        ~w(equal not_equal greater less greater_equal less_equal)a ++
          ~w(logical_and logical_or logical_xor)a do
    @impl true
    def unquote(name)(out, a, b), do: Elementwise.predicate(out, unquote(name), a, b)
  end

  @impl true
  def select(%T{type: type} = out, predicate, on_true, on_false) do
    [predicate, on_true, on_false] = Node.together([predicate, on_true, on_false])
    operands = [Node.ref(predicate), Node.ref(on_true, type), Node.ref(on_false, type)]
    Elementwise.ternary(out, :select, operands)
  end

  @impl true
  def clip(%T{type: type} = out, t, low, high),
    do: Elementwise.ternary(out, :clip, refs([t, low, high], type))

  @impl true
  def as_type(%T{type: type}, %T{type: type} = t), do: t
  def as_type(out, t), do: Node.put(out, Node.value(t, out.type))

  @impl true
  def bitcast(out, t), do: Node.call(out, :bitcast, [Node.ref(t)], type: Node.type(out.type))

  # ---- Views ----

  # A reshape of elements that the host knows knows them too.
  @impl true
  def reshape(out, %T{data: %__MODULE__{}} = t) do
    ref = Node.ref(t)
    value = Node.new(fn -> Native.reshape(ref, dims(out)) end)
    Node.put(out, value, known: Node.known_bits(t))
  end

  def reshape(out, t), do: Node.from_binary(out, Nx.to_binary(t), [])

  @impl true
  def squeeze(out, t, _axes), do: reshape(out, t)

  @impl true
  def broadcast(out, t, shape, axes) do
    source = Node.ref(t)
    value = Node.new(fn -> Native.broadcast(source, Tuple.to_list(shape), axes) end)
    Node.put(out, value, known: Node.known_copies(t, Nx.size(shape)))
  end

  @impl true
  def transpose(out, t, axes) do
    t = Node.ref(t)
    Node.make(out, fn -> Native.transpose(t, axes) end)
  end

  @impl true
  def reverse(out, t, axes) do
    t = Node.ref(t)
    Node.make(out, fn -> Native.reverse(t, axes) end)
  end

  @impl true
  def pad(%T{type: type} = out, t, value, config) do
    [t, value] = refs([t, value], type)
    [low, high, interior] = for i <- 0..2, do: Enum.map(config, &elem(&1, i))
    Node.make(out, fn -> Native.pad(t, value, low, high, interior) end)
  end

  @impl true
  def slice(out, t, starts, lengths, strides) do
    [t | _] = Node.together([t | starts])

    case Check.known_starts(starts) do
      nil ->
        Node.call(out, :slice_at, refs([t | numbers(starts)]), lengths: lengths, strides: strides)

      starts ->
        t = Node.ref(t)
        Node.make(out, fn -> Native.slice(t, starts, lengths, strides) end)
    end
  end

  @impl true
  def put_slice(%T{type: type} = out, t, starts, slice) do
    [t, slice | starts] = Node.together([t, slice | numbers(starts)])

    Node.call(out, :put_slice, [
      Node.ref(t, type),
      Node.ref(slice, type) | Enum.map(starts, &Node.ref/1)
    ])
  end

  # Start indices as tensors.
  defp numbers(starts),
    do: Enum.map(starts, &if(is_integer(&1), do: on_host(&1, {:s, 64}), else: &1))

  @impl true
  def concatenate(%T{type: type} = out, tensors, axis) do
    refs = refs(tensors, type)
    Node.make(out, fn -> Native.concatenate(refs, axis) end)
  end

  @impl true
  def stack(%T{type: type} = out, tensors, axis) do
    row = out |> dims() |> List.replace_at(axis, 1)

    rows =
      for t <- refs(tensors, type) do
        Node.new(fn -> Native.reshape(t, row) end).ref
      end

    Node.make(out, fn -> Native.concatenate(rows, axis) end)
  end

  # ---- Indexing ----

  @impl true
  def gather(out, t, indices, opts) do
    Check.indices!(t, indices, opts[:axes])
    Node.call(out, :gather, refs([t, indices]), axes: opts[:axes])
  end

  for name <- [:indexed_add, :indexed_put] do
    @impl true
    def unquote(name)(%T{type: type} = out, t, indices, updates, opts) do
      Check.indices!(t, indices, opts[:axes])
      [t, indices, updates] = Node.together([t, indices, updates])
      operands = [Node.ref(t, type), Node.ref(indices), Node.ref(updates, type)]
      Node.call(out, unquote(name), operands, axes: opts[:axes])
    end
  end

  # ---- Reductions ----

  @impl true
  def product(out, t, opts), do: fold(:product, out, factors(t), opts)

  # Nx starts from 1, which is felt where a complex number has an infinite part.
  defp factors(%T{type: {:c, _}} = t) do
    Elementwise.arithmetic(t, :multiply, on_host(1, t.type), t)
  end

  defp factors(t), do: t

  for name <- ~w(sum reduce_max reduce_min all any)a do
    @impl true
    def unquote(name)(out, t, opts), do: fold(unquote(name), out, t, opts)
  end

  defp fold(name, out, t, opts) do
    t = Node.ref(t)
    Node.make(out, fn -> Native.reduce(name, t, opts[:axes], opts[:keep_axes] || false) end)
  end

  for name <- [:argmax, :argmin] do
    @impl true
    def unquote(name)(out, t, opts) do
      Node.call(
        out,
        unquote(name),
        [Node.ref(t)],
        axis: opts[:axis],
        keep_axis: opts[:keep_axis],
        tie_high: opts[:tie_break] == :high,
        type: Node.type(out.type)
      )
    end
  end

  @impl true
  def reduce(out, t, acc, opts, fun) do
    axes = opts[:axes] || Nx.axes(t)
    options = [axes: axes, keep_axes: opts[:keep_axes]]
    Node.call(out, :reduce, Closure.operands(out, t, acc, fun), options)
  end

  # ---- Windows ----

  @impl true
  def window_product(out, t, window, opts),
    do: Node.call(out, :window_product, [Node.ref(factors(t))], window(window, opts))

  for name <- ~w(window_sum window_max window_min)a do
    @impl true
    def unquote(name)(out, t, window, opts),
      do: Node.call(out, unquote(name), [Node.ref(t)], window(window, opts))
  end

  @impl true
  def window_reduce(out, t, acc, window, opts, fun),
    do: Node.call(out, :window_reduce, Closure.operands(out, t, acc, fun), window(window, opts))

  for name <- [:window_scatter_max, :window_scatter_min] do
    @impl true
    def unquote(name)(%T{type: type} = out, t, source, init, window, opts) do
      Node.call(out, unquote(name), refs([t, source, init], type), window(window, opts))
    end
  end

  defp window(window, opts) do
    [window: Tuple.to_list(window)] ++
      padding(opts[:padding]) ++
      [strides: opts[:strides], dilations: opts[:window_dilations]]
  end

  defp padding(pairs),
    do: [low: Enum.map(pairs, &elem(&1, 0)), high: Enum.map(pairs, &elem(&1, 1))]

  # ---- Contractions ----

  @impl true
  def dot(%T{type: type} = out, a, contract_a, batch_a, b, contract_b, batch_b) do
    [a, b] = refs([a, b], type)
    axes = [contract_a, contract_b, batch_a, batch_b]
    Node.make(out, fn -> apply(Native, :dot, [a, b] ++ axes ++ [precision()]) end)
  end

  @conv_options ~w(strides input_dilation kernel_dilation feature_group_size batch_group_size)a ++
                  ~w(input_permutation kernel_permutation output_permutation)a

  @impl true
  def conv(%T{type: type} = out, t, kernel, opts) do
    options = padding(opts[:padding]) ++ Keyword.take(opts, @conv_options)
    Node.call(out, :conv, refs([t, kernel], type), [precision: precision()] ++ options)
  end

  defp precision, do: Precision.to_native(Node.precision())

  # ---- Sorting ----

  @impl true
  def sort(out, t, opts), do: Node.call(out, :sort, [Node.ref(t)], order(opts))

  @impl true
  def argsort(out, t, opts),
    do: Node.call(out, :argsort, [Node.ref(t)], order(opts) ++ [type: Node.type(out.type)])

  # Sorting is always stable, also downwards.
  defp order(opts), do: [axis: opts[:axis], descending: opts[:direction] == :desc]

  # ---- Fourier transforms and linear algebra ----

  for name <- [:fft, :ifft] do
    @impl true
    def unquote(name)(out, t, opts) do
      options = [axis: opts[:axis], length: opts[:length], eps: opts[:eps]]
      Node.call(out, unquote(name), [Node.ref(t)], options)
    end
  end

  @transforms %{none: 0, transpose: 1, conjugate: 2}

  @impl true
  def triangular_solve(%T{type: type} = out, a, b, opts) do
    Check.diagonal!(a)

    Node.call(out, :triangular_solve, refs([a, b], type),
      lower: opts[:lower],
      left_side: opts[:left_side],
      transform: Map.fetch!(@transforms, opts[:transform_a])
    )
  end

  @impl true
  def block(struct, output, args, fun), do: Block.block(struct, output, Node.together(args), fun)

  # ---- Arguments ----

  # A number that becomes an operand.
  defp on_host(number, type), do: Nx.tensor(number, type: type, backend: Nx.BinaryBackend)

  defp refs(operands), do: operands |> Node.together() |> Enum.map(&Node.ref/1)
  defp refs(operands, type), do: operands |> Node.together() |> Enum.map(&Node.ref(&1, type))

  defp dims(%T{shape: shape}), do: Tuple.to_list(shape)
end
