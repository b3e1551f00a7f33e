defmodule Nx.Vulkan.Backend.Storage do
  @moduledoc false
  # Tensors to and from the host, other backends and other programs.

  alias Inspect.Algebra
  alias Nx.Tensor, as: T
  alias Nx.Vulkan.{Codec, Native}
  alias Nx.Vulkan.Backend, as: B
  alias Nx.Vulkan.Backend.Node

  @signed Application.compile_env(:nx_vulkan, :add_backend_on_inspect, true)

  def to_binary(%T{type: type} = t, limit), do: Node.read(Node.value(t), type, limit)

  # A copy is storage of its own, which lives on when the source is deallocated.
  def backend_copy(t, B, options),
    do: Node.from_binary(t, to_binary(t, Nx.size(t.shape)), options)

  def backend_copy(t, Nx.Tensor, options), do: backend_copy(t, Nx.BinaryBackend, options)

  def backend_copy(t, backend, options),
    do: backend.from_binary(t, to_binary(t, Nx.size(t.shape)), options)

  def backend_transfer(t, B, options) do
    if Node.on?(t, Node.engine(options)), do: t, else: move(t, B, options)
  end

  def backend_transfer(t, backend, options), do: move(t, backend, options)

  defp move(t, backend, options) do
    backend_copy(t, backend, options)
  after
    backend_deallocate(t)
  end

  def backend_deallocate(t) do
    case Native.deallocate(Node.stored(t).ref) do
      :ok -> :ok
      {:error, :deallocated, _} -> :already_deallocated
      {:error, :device_lost, _} -> :already_deallocated
    end
  end

  # The last batch is filled up with the first rows of the tensor. Batches are made as they are asked
  # for, also when the tensor was deallocated before.
  def to_batched(out, %T{} = t, opts) do
    t = Node.another(t)
    batch = elem(out.shape, 0)
    rows = elem(t.shape, 0)
    full = div(rows, batch)

    last = if opts[:leftover] == :repeat and rem(rows, batch) != 0, do: full, else: full - 1

    Stream.map(0..last//1, fn
      ^full ->
        rest = rem(rows, batch)
        B.concatenate(out, [take(out, t, full * batch, rest), take(out, t, 0, batch - rest)], 0)

      i ->
        take(out, t, i * batch, batch)
    end)
  end

  defp take(out, %T{shape: shape} = t, start, count) do
    starts = [start | List.duplicate(0, tuple_size(shape) - 1)]
    ones = List.duplicate(1, tuple_size(shape))
    out = %{out | shape: put_elem(shape, 0, count)}
    B.slice(out, t, starts, Tuple.to_list(out.shape), ones)
  end

  # ---- Pointers ----

  # A pointer is to a copy of the elements in host memory, which lives as long as the tensor.
  def to_pointer(%T{} = t, opts) do
    opts = Keyword.validate!(opts, mode: :local, permissions: 0o400)
    bytes = t |> to_binary(Nx.size(t.shape)) |> Codec.whole_bytes()
    pointer(opts[:mode], Node.stored(t).ref, bytes, opts[:permissions])
  end

  defp pointer(:local, ref, bytes, _permissions) do
    address = Node.new(ref, fn -> Native.pin(ref, bytes) end)
    %Nx.Pointer{kind: :local, address: address, data_size: byte_size(bytes)}
  end

  defp pointer(:ipc, ref, bytes, permissions) when permissions in 0..0o7777 do
    name = Node.new(ref, fn -> Native.share(ref, bytes, permissions) end)
    %Nx.Pointer{kind: :ipc, handle: name, data_size: byte_size(bytes)}
  end

  defp pointer(:ipc, _ref, _bytes, permissions) do
    raise ArgumentError,
          "permissions: expected 0 to 0o7777, got: #{Kernel.inspect(permissions, base: :octal)}"
  end

  defp pointer(mode, _ref, _bytes, _permissions),
    do: raise(ArgumentError, "mode: expected :local or :ipc, got: #{inspect(mode)}")

  def from_pointer(%Nx.Pointer{} = pointer, type, shape, backend_opts, opts) do
    opts = Keyword.validate!(opts, [:names])
    engine = backend_opts |> B.init() |> Node.engine()
    {_, width} = type
    size = div(Nx.size(shape) * width + 7, 8)

    unless pointer.data_size == size do
      raise ArgumentError,
            "invalid pointer data_size for shape, expected: #{size}, got: #{pointer.data_size}"
    end

    {atom, dims} = {Node.type(type), Tuple.to_list(shape)}
    value = Node.new(engine, fn -> from_host(pointer, engine, atom, dims) end)
    Node.put(Nx.template(shape, type, names: opts[:names]), value)
  end

  defp from_host(%Nx.Pointer{kind: :local} = pointer, engine, type, dims),
    do: Native.from_address(engine, type, dims, pointer.address, pointer.data_size)

  defp from_host(%Nx.Pointer{kind: :ipc} = pointer, engine, type, dims),
    do: Native.from_shared(engine, type, dims, pointer.handle, pointer.data_size)

  # ---- Text ----

  def inspect(%T{} = t, opts) do
    case unavailable(t) do
      nil -> elements(t, opts)
      message -> Algebra.string("unavailable: " <> message)
    end
  rescue
    error in Nx.Vulkan.Error ->
      if error.reason != :deallocated, do: reraise(error, __STACKTRACE__)
      Algebra.string(deallocated(t))
  end

  # Nx has the mark from 0.14 on.
  defp deallocated(t) do
    if Map.get(t, :donatable?), do: "Deallocated due to buffer donation", else: "Deallocated"
  end

  # What no function can use: a tensor of another VM, or one whose struct contradicts its data.
  defp unavailable(t) do
    Node.value(t)
    Native.device(Node.stored(t).ref)
    nil
  rescue
    error in ArgumentError -> error.message
  end

  defp elements(t, opts) do
    size = Nx.size(t.shape)
    count = if opts.limit == :infinity, do: size, else: min(size, opts.limit + 1)

    # Nx prints whole bytes only.
    shown = widen(t)
    text = Nx.Backend.inspect(shown, to_binary(shown, count), opts)
    if @signed, do: Algebra.concat([signature(t), Algebra.line(), text]), else: text
  end

  defp widen(%T{type: {kind, bits}} = t) when bits < 8 do
    out = %{t | type: {kind, 8}}
    Node.put(out, Node.value(t))
  end

  defp widen(t), do: t

  @doc "The backend's line above an inspected tensor, with name and index of its device."
  def signature(%T{} = t) do
    ref = Node.stored(t).ref
    ~c"#Ref<" ++ rest = :erlang.ref_to_list(ref)
    "Nx.Vulkan.Backend<#{device(Native.engine_device(ref))}, #{rest}"
  end

  defp device({:ok, device}), do: "#{device.name}:#{device.index}"
  defp device({:error, _reason, _message}), do: "closed"
end
