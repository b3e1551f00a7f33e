defmodule Nx.Vulkan.Compiler.RandomTest do
  # Random definitions with nested loops and branches: compiled, and evaluated one operation at a time on
  # the same device, they have the same bits. NXV_DEFINITIONS: how many; NXV_SEED: which.
  use ExUnit.Case, async: true
  @moduletag :device
  @moduletag timeout: :infinity

  import Nx.Defn

  @unary ~w(sin tanh sigmoid negate cos)a
  @binary ~w(add subtract multiply min max atan2)a

  # A definition is a list of steps on {x, y, n}: two vectors and a counter.
  deftransformp(run(state, steps), do: Enum.reduce(steps, state, &step/2))

  defp step({:unary, op}, {x, y, n}), do: {apply(Nx, op, [x]), y, n}
  defp step({:binary, op}, {x, y, n}), do: {apply(Nx, op, [x, y]), x, n}
  defp step(:count, {x, y, n}), do: {y, x, Nx.add(n, 1)}
  defp step(:mean, {x, y, n}), do: {Nx.subtract(x, Nx.mean(y)), y, n}
  defp step(:scan, {x, y, n}), do: {x, Nx.cumulative_sum(y), n}
  defp step(:slice, {x, y, n}), do: {Nx.put_slice(x, [n], Nx.slice(y, [n], [2])), y, n}
  defp step(:constant, {x, y, n}), do: {x, Nx.add(y, Nx.tensor([0.5, 1.5, -1.0, 2.0])), n}
  defp step({:loop, rounds, body}, state), do: loop(state, rounds: rounds, body: body)
  defp step({:until, limit, body}, state), do: until(state, limit: limit, body: body)
  defp step({:branch, limit, a, b}, state), do: branch(state, limit: limit, a: a, b: b)

  defp step({:branches, limit, a, b}, {x, _, _} = state),
    do: branches(state, x, limit: limit, a: a, b: b)

  defn loop(state, opts \\ []) do
    {_, state} =
      while {i = 0, state}, i < opts[:rounds] do
        {i + 1, run(state, opts[:body])}
      end

    state
  end

  # As long as the data says, but not for ever.
  defn until(state, opts \\ []) do
    {_, state} =
      while {i = 0, state}, i < 5 and Nx.sum(elem(state, 0)) < opts[:limit] do
        {i + 1, run(state, opts[:body])}
      end

    state
  end

  defn branch(state, opts \\ []) do
    if Nx.sum(elem(state, 1)) > opts[:limit],
      do: run(state, opts[:a]),
      else: run(state, opts[:b])
  end

  # The branches also use what was computed before them.
  defn branches(state, before, opts \\ []) do
    shared = Nx.exp(Nx.tanh(before))

    {x, y, n} =
      cond do
        Nx.sum(shared) > opts[:limit] + 2 -> run(state, opts[:a])
        elem(state, 2) > 3 -> {shared, shared * 2, elem(state, 2)}
        true -> run(state, opts[:b])
      end

    {x + shared, y, n}
  end

  defp steps(0), do: [simple()]

  defp steps(depth) do
    for _ <- 1..:rand.uniform(4) do
      case :rand.uniform(7) do
        1 -> {:loop, :rand.uniform(4) - 1, steps(depth - 1)}
        2 -> {:until, 4 * :rand.uniform() - 1, steps(depth - 1)}
        3 -> {:branch, :rand.uniform() - 0.5, steps(depth - 1), steps(depth - 1)}
        4 -> {:branches, 4 * :rand.uniform(), steps(depth - 1), steps(depth - 1)}
        _ -> simple()
      end
    end
  end

  defp simple do
    case :rand.uniform(8) do
      1 -> :mean
      2 -> :scan
      3 -> :slice
      4 -> :constant
      5 -> :count
      6 -> {:unary, Enum.random(@unary)}
      _ -> {:binary, Enum.random(@binary)}
    end
  end

  test "compiled definitions have the bits of evaluated ones" do
    seed = String.to_integer(System.get_env("NXV_SEED", "1"))
    count = String.to_integer(System.get_env("NXV_DEFINITIONS", "30"))

    for i <- seed..(seed + count - 1) do
      :rand.seed(:exsss, i)
      steps = steps(3)
      fun = fn x, y, n -> run({x, y, n}, steps) end

      for _ <- 1..2 do
        [x, y] = for _ <- 1..2, do: Nx.tensor(for _ <- 1..4, do: 2 * :rand.normal())
        args = [x, y, :rand.uniform(2)]

        [ours, theirs] =
          for compiler <- [Nx.Vulkan, Nx.Defn.Evaluator] do
            Nx.Defn.jit_apply(fun, args, compiler: compiler)
            |> Tuple.to_list()
            |> Enum.map(&Nx.to_binary/1)
          end

        assert ours == theirs, "NXV_SEED=#{i}: #{inspect(steps, limit: :infinity)}"
      end
    end
  end
end
