defmodule Nx.Vulkan.Compiler do
  @moduledoc """
  Runs numerical definitions on `Nx.Vulkan.Backend`:

      Nx.Defn.global_default_options(compiler: Nx.Vulkan)

  A definition is evaluated by `Nx.Defn.Evaluator`, on the device whatever the default backend is;
  arguments on `Nx.BinaryBackend` are copied there. Its results start to be computed when it returns,
  without waiting for them. So a training loop whose state is never read does not carry an ever longer
  graph from step to step, and each step runs the kernels of the last one.

  ## Options

    * `:device`, `:memory_budget` - those of `Nx.Vulkan.Backend`
    * `:hooks`, `:garbage_collect`, `:max_concurrency` - those of `Nx.Defn.Evaluator`
  """

  @behaviour Nx.Defn.Compiler

  alias Nx.Defn.{Composite, Evaluator}
  alias Nx.Vulkan.{Backend, Native}

  @backend_options [:device, :memory_budget]

  @impl true
  def __jit__(key, vars, fun, args, opts), do: __compile__(key, vars, fun, opts).(args)

  @impl true
  def __compile__(key, vars, fun, opts) do
    {backend_options, opts} = Keyword.split(opts, @backend_options)
    backend = {Backend, Backend.init(backend_options)}
    run = Evaluator.__compile__(key, vars, fun, opts)

    fn [args] ->
      Nx.with_default_backend(backend, fn ->
        [args |> Enum.map(&on_device(&1, backend))] |> run.() |> Enum.map(&start/1)
      end)
    end
  end

  @impl true
  def __to_backend__(opts), do: {Backend, Backend.init(Keyword.take(opts, @backend_options))}

  @impl true
  def __partitions_options__(opts), do: Evaluator.__partitions_options__(opts)

  # Arguments come as functions, which are called if they are used.
  defp on_device(arg, backend) do
    fn ->
      case arg.() do
        %Nx.Tensor{data: %Nx.BinaryBackend{}} = t -> Nx.backend_copy(t, backend)
        t -> t
      end
    end
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
