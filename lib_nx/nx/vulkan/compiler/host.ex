defmodule Nx.Vulkan.Compiler.Host do
  @moduledoc false
  # Definitions that need the host in their midst, run by Nx.Defn.Evaluator on the device.

  alias Nx.Tensor, as: T
  alias Nx.Defn.{Composite, Evaluator}
  alias Nx.Vulkan.{Backend, Native}
  alias Nx.Vulkan.Backend.Node

  @doc """
  A function of the arguments, of the engine that it runs on, and of whether arguments on other engines
  are brought there.
  """
  @spec compile(term, list, fun, keyword) :: (list, reference, boolean -> Nx.Container.t())
  def compile(key, vars, fun, options) do
    run = Evaluator.__compile__(key, vars, fun, options)

    fn args, engine, moves? ->
      backend = {Backend, device: Native.device(engine)}

      Nx.with_default_backend(backend, fn ->
        noting_references(fn note ->
          [result] = run.([Enum.map(args, &on_device(&1, engine, moves?, note))])
          result
        end)
        |> own()
        |> start()
      end)
    end
  end

  # Arguments come as functions, which are called if they are used.
  defp on_device(arg, engine, moves?, note) do
    fn ->
      case arg.() do
        %T{data: %Nx.BinaryBackend{}} = t -> t |> Nx.devectorize() |> Node.bring(engine)
        %T{data: %Backend{}} = t -> t |> bring(engine, moves?) |> tap(&note.(Node.stored(&1).ref))
        t -> t
      end
    end
  end

  defp bring(t, engine, true), do: Node.bring(t, engine)
  defp bring(t, _engine, false), do: t

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
  defp own({result, arguments}) do
    {result, _} =
      Composite.traverse(result, arguments, fn
        %T{data: %Backend{ref: ref}} = t, known ->
          if ref in known, do: {Node.another(t), known}, else: {t, MapSet.put(known, ref)}

        t, known ->
          {t, known}
      end)

    result
  end

  # A failure to start is one of reading, too.
  defp start(result) do
    [result]
    |> Composite.flatten_list()
    |> Enum.filter(&match?(%T{data: %Backend{}}, &1))
    |> Enum.group_by(&Node.stored(&1).engine, &Node.stored(&1).ref)
    |> Enum.each(fn {_engine, refs} -> Native.evaluate_all(refs) end)

    result
  end
end
