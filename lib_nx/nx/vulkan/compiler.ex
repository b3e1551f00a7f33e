defmodule Nx.Vulkan.Compiler do
  @moduledoc """
  Runs numerical definitions on `Nx.Vulkan.Backend`:

      Nx.Defn.global_default_options(compiler: Nx.Vulkan)

  A definition is evaluated by `Nx.Defn.Evaluator`, on the device whatever the default backend is;
  arguments on `Nx.BinaryBackend` are copied there. Its results start to be computed when it returns,
  without waiting for them. So a training loop whose state is never read does not carry an ever longer
  graph from step to step, and each step runs the kernels of the last one.

  ## Options

    * `:device`, `:memory_budget` - those of `Nx.Vulkan.Backend`. With `:device`, arguments on other
      devices are copied there, too; by default the device is that of the default backend, if this is
      `Nx.Vulkan.Backend`, else the default device
    * `:hooks`, `:garbage_collect`, `:max_concurrency` - those of `Nx.Defn.Evaluator`

  ## Partitions

  `Nx.Serving` with `partitions: true` runs one partition for each GPU, or for each CPU device where
  there is no GPU. With `:device` all partitions, `:max_concurrency` of them, are on that device.
  """

  @behaviour Nx.Defn.Compiler

  alias Nx.Defn.{Composite, Evaluator}
  alias Nx.Vulkan.{Backend, Native}
  alias Nx.Vulkan.Backend.Node

  @backend_options [:device, :memory_budget]

  @impl true
  def __jit__(key, vars, fun, args, opts), do: __compile__(key, vars, fun, opts).(args)

  @impl true
  def __compile__(key, vars, fun, opts) do
    {backend_options, opts} = Keyword.split(opts, @backend_options)
    backend_options = Backend.init(backend_options)
    run = Evaluator.__compile__(key, vars, fun, opts)

    fn [args] ->
      backend = backend(backend_options)

      Nx.with_default_backend(backend, fn ->
        noting_references(fn note ->
          [Enum.map(args, &on_device(&1, backend, backend_options, note))] |> run.()
        end)
        |> own()
        |> Enum.map(&start/1)
      end)
    end
  end

  defp backend([]) do
    case Nx.default_backend() do
      {Backend, options} -> {Backend, options}
      _ -> {Backend, []}
    end
  end

  defp backend(options), do: {Backend, options}

  @impl true
  def __to_backend__(opts), do: {Backend, Backend.init(Keyword.take(opts, @backend_options))}

  @impl true
  def __partitions_options__(opts) do
    if opts[:device],
      do: Evaluator.__partitions_options__(opts),
      else: Enum.map(devices(), &[{:device, &1} | opts])
  end

  # CPU devices have the same processors: where there is something better they are in its way.
  defp devices do
    devices = Enum.filter(Nx.Vulkan.devices!(), & &1.supported?)
    gpus = Enum.reject(devices, & &1.cpu?)
    for device <- if(gpus == [], do: devices, else: gpus), do: device.index
  end

  # Arguments come as functions, which are called if they are used.
  defp on_device(arg, backend, options, note) do
    fn ->
      case arg.() do
        %Nx.Tensor{data: %Nx.BinaryBackend{}} = t -> to_device(t, backend)
        %Nx.Tensor{data: %Backend{}} = t -> t |> copy(options) |> tap(&note.(Node.stored(&1).ref))
        t -> t
      end
    end
  end

  # A scalar stays a number, which goes where it is needed.
  defp to_device(%Nx.Tensor{shape: {}, vectorized_axes: []} = t, {Backend, options}),
    do: Node.from_host(t, Node.engine(options))

  defp to_device(t, backend), do: Nx.backend_copy(t, backend)

  defp copy(t, options) do
    if options[:device] == nil or Node.on?(t, Node.engine(options)),
      do: t,
      else: Nx.backend_copy(t, {Backend, options})
  end

  # What `fun` answers, and the references that it has noted meanwhile.
  defp noting_references(fun) do
    key = {__MODULE__, make_ref()}
    Process.put(key, MapSet.new())

    try do
      {fun.(&Process.put(key, MapSet.put(Process.get(key), &1))), Process.get(key)}
    after
      Process.delete(key)
    end
  end

  # Results are tensors of their own, so that each can be deallocated by itself: an argument that is
  # returned as it is, and a value that is returned twice, get another reference.
  defp own({results, arguments}) do
    {results, _} =
      Enum.map_reduce(results, arguments, fn result, known ->
        Composite.traverse(result, known, fn
          %Nx.Tensor{data: %Backend{ref: ref}} = t, known ->
            if ref in known, do: {Node.another(t), known}, else: {t, MapSet.put(known, ref)}

          t, known ->
            {t, known}
        end)
      end)

    results
  end

  # A failure to start is one of reading, too.
  defp start(container) do
    Composite.traverse(container, fn
      %Nx.Tensor{data: %Backend{ref: ref}} = t ->
        Native.evaluate(ref)
        t

      t ->
        t
    end)
  end
end
