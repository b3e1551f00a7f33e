defmodule Nx.Vulkan.Backend.Storage do
  @moduledoc false
  # Tensors to and from the host, other backends and other programs.

  alias Inspect.Algebra
  alias Nx.Tensor, as: T
  alias Nx.Vulkan.{Device, Native}
  alias Nx.Vulkan.Backend, as: B
  alias Nx.Vulkan.Backend.Node

  @signed Application.compile_env(:nx_vulkan, :add_backend_on_inspect, true)

  def to_binary(%T{type: type} = t, limit), do: Node.read(Node.ref(t), type, limit)

  # A copy is storage of its own, which lives on when the source is deallocated.
  def backend_copy(t, B, options),
    do: Node.from_binary(t, to_binary(t, Nx.size(t.shape)), options)

  def backend_copy(t, Nx.Tensor, options), do: backend_copy(t, Nx.BinaryBackend, options)

  def backend_copy(t, backend, options),
    do: backend.from_binary(t, to_binary(t, Nx.size(t.shape)), options)

  def backend_transfer(t, B, options) do
    Node.engine(options)
    Node.ref(t)
    t
  end

  def backend_transfer(t, backend, options) do
    backend_copy(t, backend, options)
  after
    backend_deallocate(t)
  end

  def backend_deallocate(t) do
    case Native.deallocate(Node.ref(t)) do
      :ok -> :ok
      {:error, :deallocated, _} -> :already_deallocated
      {:error, :device_lost, _} -> :already_deallocated
    end
  end

  # The last batch is filled up with the first rows of the tensor.
  def to_batched(out, %T{} = t, opts) do
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
    opts = Keyword.validate!(opts, mode: :local)

    unless opts[:mode] == :local do
      raise ArgumentError,
            "Nx.Vulkan.Backend supports mode: :local only, got: #{inspect(opts[:mode])}"
    end

    bytes = t |> to_binary(Nx.size(t.shape)) |> Node.whole_bytes()
    {:ok, address} = Native.pin(Node.ref(t), bytes)
    %Nx.Pointer{kind: :local, address: address, data_size: byte_size(bytes)}
  end

  def from_pointer(%Nx.Pointer{kind: :local} = pointer, type, shape, backend_opts, opts) do
    opts = Keyword.validate!(opts, [:names])
    engine = backend_opts |> B.init() |> Node.engine()
    {_, width} = type
    size = div(Nx.size(shape) * width + 7, 8)

    unless pointer.data_size == size do
      raise ArgumentError,
            "invalid pointer data_size for shape, expected: #{size}, got: #{pointer.data_size}"
    end

    dims = Tuple.to_list(shape)

    Node.make(Nx.template(shape, type, names: opts[:names]), fn ->
      Native.from_address(engine, Node.type(type), dims, pointer.address, size)
    end)
  end

  def from_pointer(%Nx.Pointer{kind: kind}, _type, _shape, _backend_opts, _opts) do
    raise ArgumentError, "Nx.Vulkan.Backend supports local pointers only, got: #{inspect(kind)}"
  end

  # ---- Text ----

  def inspect(%T{} = t, opts) do
    size = Nx.size(t.shape)
    count = if opts.limit == :infinity, do: size, else: min(size, opts.limit + 1)

    # Nx prints whole bytes only.
    shown = widen(t)
    text = Nx.Backend.inspect(shown, to_binary(shown, count), opts)
    if @signed, do: Algebra.concat([signature(t), Algebra.line(), text]), else: text
  end

  defp widen(%T{type: {kind, bits}} = t) when bits < 8 do
    out = %{t | type: {kind, 8}}
    Node.put(out, Node.ref(t))
  end

  defp widen(t), do: t

  @doc "The backend's line above an inspected tensor."
  def signature(%T{data: %B{ref: ref}}) do
    ~c"#Ref<" ++ rest = :erlang.ref_to_list(ref)
    "Nx.Vulkan.Backend<#{Device.name()}, #{rest}"
  end
end
