defmodule Nx.Vulkan.ColdStartTest do
  # How many kernels small programs compile the first time: each costs tens of milliseconds.
  # Kernels that other tests left behind make them fewer.
  use ExUnit.Case, async: false
  @moduletag :device

  import Nx.Defn

  setup do
    default = Nx.default_backend()
    Nx.default_backend(Nx.Vulkan.Backend)
    on_exit(fn -> Nx.default_backend(default) end)
  end

  defp compiled(fun) do
    before = kernels()
    result = fun.()
    {kernels() - before, result}
  end

  # Few elements are computed by kernels that others share, at the price of dispatches.
  defp cpu?, do: Nx.Vulkan.describe!() =~ ~r/profile\s+cpu/

  defp kernels do
    {:ok, counters} = Nx.Vulkan.counters()
    counters.kernels_compiled
  end

  defp run(fun, args, compiler \\ Nx.Vulkan),
    do: fun |> Nx.Defn.jit_apply(args, compiler: compiler) |> Nx.to_flat_list()

  defn counted(x, opts \\ []) do
    {x, _} =
      while {x, i = 0}, i < opts[:n] do
        {x * 1.5 + 0.5, i + 1}
      end

    x
  end

  test "loops that differ in a constant bound are one set of kernels" do
    x = Nx.tensor([1.0, 2.0, 3.0])
    {count, _} = compiled(fn -> run(&counted(&1, n: 4), [x]) end)
    assert count <= 1

    for n <- [8, 16, 64, 256] do
      assert {0, _} = compiled(fn -> run(&counted(&1, n: n), [x]) end)
    end
  end

  # w e^w = x by Halley's iteration, until nothing moves.
  defn lambert_w(x) do
    {w, _, _, _} =
      while {w = Nx.log(x + 1), x, i = 0, moves = Nx.u8(1)}, moves and i < 50 do
        e = Nx.exp(w)
        f = w * e - x
        d = f / (e * (w + 1) - (w + 2) * f / (2 * w + 2))
        {w - d, x, i + 1, Nx.any(Nx.abs(d) > 1.0e-6)}
      end

    w
  end

  for {name, compiler, most} <- [{"compiled", Nx.Vulkan, 3}, {"evaluated", Nx.Defn.Evaluator, 3}] do
    test "an iteration until it converges, #{name}" do
      x = Nx.tensor([0.5, 1.0, 10.0])
      {count, w} = compiled(fn -> run(&lambert_w/1, [x], unquote(compiler)) end)
      assert count <= if(cpu?(), do: unquote(most), else: 5)
      assert_in_delta Enum.at(w, 1), 0.567143, 1.0e-5
    end
  end

  defn momentum(p, m, v) do
    g = p * 2
    m = 0.9 * m + 0.1 * g
    v = 0.99 * v + 0.01 * g * g
    {p - 0.01 * m / (Nx.sqrt(v) + 1.0e-6), m, v}
  end

  for {name, compiler, most} <- [{"compiled", Nx.Vulkan, 1}, {"evaluated", Nx.Defn.Evaluator, 6}] do
    test "steps of an optimizer that nobody reads, #{name}" do
      zero = Nx.tensor([[0.0, 0.0]])
      step = Nx.Defn.jit(&momentum/3, compiler: unquote(compiler))

      train = fn steps ->
        state = {Nx.tensor([[1.0, 2.0]]), zero, zero}
        {p, _, _} = Enum.reduce(1..steps, state, fn _, {p, m, v} -> step.(p, m, v) end)
        Nx.to_flat_list(p)
      end

      {count, first} = compiled(fn -> train.(100) end)
      assert count <= if(cpu?(), do: unquote(most), else: 20)
      for _ <- 1..3, do: assert({0, ^first} = compiled(fn -> train.(100) end))
    end
  end

  # A head of attention with a cache, as generation has it.
  defn attend(x, cache, weights, at) do
    cache = Nx.put_slice(cache, [at, 0], Nx.dot(x, weights))
    scores = Nx.dot(x, [1], cache, [1]) / 2.0
    scores = Nx.select(Nx.iota(Nx.shape(scores), axis: 1) <= at, scores, -1.0e9)
    e = Nx.exp(scores - Nx.reduce_max(scores, axes: [-1], keep_axes: true))
    {Nx.dot(e / Nx.sum(e, axes: [-1], keep_axes: true), cache), cache}
  end

  for {name, compiler, most} <- [{"compiled", Nx.Vulkan, 5}, {"evaluated", Nx.Defn.Evaluator, 20}] do
    test "attention with a cache, token by token, #{name}" do
      weights = Nx.divide(Nx.iota({4, 4}), 16)
      step = Nx.Defn.jit(&attend/4, compiler: unquote(compiler))
      state = {Nx.tensor([[1.0, 0.5, 0.25, 0.125]]), Nx.broadcast(0.0, {16, 4})}

      {count, _} =
        compiled(fn ->
          0..29
          |> Enum.reduce(state, fn at, {x, cache} -> step.(x, cache, weights, rem(at, 10)) end)
          |> elem(0)
          |> Nx.to_flat_list()
        end)

      assert count <= if(cpu?(), do: unquote(most), else: 40)
    end
  end

  # Which differ in ranks, unit axes, the order of operands and the type of a number.
  test "small values that one kernel serves" do
    [x, y] = for seed <- [1, 2], do: Nx.multiply(Nx.iota({2, 3, 4}, type: :f32), seed * 0.5)
    Enum.each([x, y], &Nx.to_flat_list/1)

    kinds = [
      [fn -> Nx.less(x, y) end, fn -> Nx.greater(y, x) end],
      [fn -> Nx.add(x, 3) end, fn -> Nx.add(x, 2.5) end, fn -> Nx.add(x[0], 7) end],
      [fn -> Nx.multiply(x, y) end, fn -> Nx.multiply(x, x) end],
      [
        fn -> Nx.transpose(x) end,
        fn -> Nx.transpose(x[1]) end,
        fn -> Nx.broadcast(x[0][0], {5, 4}) end
      ]
    ]

    rows = [
      fn -> Nx.sum(x, axes: [2]) end,
      fn -> Nx.sum(y) end,
      fn -> Nx.sum(x[0], axes: [1]) end
    ]

    for [first | others] <- if(cpu?(), do: [rows | kinds], else: kinds) do
      Nx.to_flat_list(first.())
      for other <- others, do: assert({0, _} = compiled(fn -> Nx.to_flat_list(other.()) end))
    end
  end

  test "an element of a stack that nothing was put on is known" do
    {count, list} = compiled(fn -> Nx.to_flat_list(Nx.add(Nx.broadcast(2, {8})[3], 1)) end)
    assert {count, list} == {0, [3]}
  end
end
