defmodule Nx.Vulkan.Compiler.Walk do
  @moduledoc false
  # A call of a definition that calls the host: the steps of its script, one after the other.

  alias Nx.Tensor, as: T
  alias Nx.Defn.Composite
  alias Nx.Vulkan.Native
  alias Nx.Vulkan.Backend.Node
  alias Nx.Vulkan.Compiler.Script

  @doc "The references of the results, for arguments by their indices."
  @spec run(Script.t(), %{non_neg_integer => reference}) :: [reference]
  def run(%Script{engine: engine, steps: steps, results: results}, arguments) do
    {:done, values} = steps(steps, arguments, engine)
    take(results, values)
  end

  # Values by their keys; those of a scope around a branch are among them.
  defp steps([], values, _engine), do: {:done, values}

  defp steps([{:unless, predicate, key} | steps], values, engine) do
    if holds?(fill(predicate, take([key], values))),
      do: steps(steps, values, engine),
      else: {:stopped, values}
  end

  defp steps([{:compute, function, inputs, outputs} | steps], values, engine) do
    arguments = take(inputs, values)
    results = Node.new(engine, fn -> Native.invoke(function, arguments) end)
    steps(steps, put(values, outputs, results), engine)
  end

  # A call is made once in an evaluation of the scope that it belongs to: who comes second finds it made.
  defp steps([call | steps], values, engine) do
    id = elem(call, 1)

    if is_map_key(values, id),
      do: steps(steps, values, engine),
      else: steps(steps, call |> call(values, engine) |> Map.put(id, true), engine)
  end

  defp call({:hook, _id, fun, shown, keys}, values, _engine) do
    fun.(fill(shown, take(keys, values)))
    values
  end

  defp call({:call, _id, fun, given, inputs, outputs}, values, engine) do
    result = fun.(fill(given, take(inputs, values)))
    tensors = for t <- Composite.flatten_list([result]), do: t |> Nx.to_tensor() |> bring(engine)
    put(values, outputs, tensors)
  end

  defp call({:while, _id, initial, steps, keys}, values, engine) do
    state =
      for {key, value, type} <- initial, do: Node.ref(fill(value, take([key], values)), type)

    put(values, keys, rounds(state, steps, keys, engine))
  end

  defp call({:cond, _id, clauses}, values, engine), do: choose(clauses, values, engine)

  defp rounds(state, steps, keys, engine) do
    arguments = state |> Enum.with_index() |> Map.new(fn {ref, i} -> {i, ref} end)

    case steps(steps, arguments, engine) do
      {:done, values} -> values |> then(&take(keys, &1)) |> rounds(steps, keys, engine)
      {:stopped, _} -> state
    end
  end

  defp choose([steps | clauses], values, engine) do
    case steps(steps, values, engine) do
      {:done, values} -> values
      {:stopped, values} -> choose(clauses, values, engine)
    end
  end

  defp holds?(predicate) do
    case Nx.to_number(predicate) do
      %Complex{re: re, im: im} -> re != 0 or im != 0
      number -> number != 0
    end
  end

  defp bring(t, engine), do: t |> Nx.devectorize() |> Node.bring(engine) |> Node.ref()

  defp take(keys, values), do: Enum.map(keys, &Map.fetch!(values, &1))

  defp put(values, keys, refs), do: keys |> Enum.zip(refs) |> Enum.into(values)

  defp fill(container, refs) do
    {filled, []} =
      Composite.traverse(container, refs, fn %T{data: data} = t, [ref | rest] ->
        {%{t | data: %{data | ref: ref}}, rest}
      end)

    filled
  end
end
