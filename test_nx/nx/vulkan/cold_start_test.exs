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

  defp kernels do
    {:ok, counters} = Nx.Vulkan.counters()
    counters.kernels_compiled
  end

  defp run(fun, args),
    do: fun |> Nx.Defn.jit_apply(args, compiler: Nx.Vulkan) |> Nx.to_flat_list()

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
    assert count <= 4

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

  test "an iteration until it converges" do
    {count, w} = compiled(fn -> run(&lambert_w/1, [Nx.tensor([0.5, 1.0, 10.0])]) end)
    assert count <= 8
    assert_in_delta Enum.at(w, 1), 0.567143, 1.0e-5
  end

  defn momentum(p, m, v) do
    g = p * 2
    m = 0.9 * m + 0.1 * g
    v = 0.99 * v + 0.01 * g * g
    {p - 0.01 * m / (Nx.sqrt(v) + 1.0e-6), m, v}
  end

  for {name, compiler, most} <- [{"compiled", Nx.Vulkan, 4}, {"evaluated", Nx.Defn.Evaluator, 20}] do
    test "steps of an optimizer that nobody reads, #{name}" do
      zero = Nx.tensor([[0.0, 0.0]])
      step = Nx.Defn.jit(&momentum/3, compiler: unquote(compiler))

      train = fn steps ->
        state = {Nx.tensor([[1.0, 2.0]]), zero, zero}
        {p, _, _} = Enum.reduce(1..steps, state, fn _, {p, m, v} -> step.(p, m, v) end)
        Nx.to_flat_list(p)
      end

      {count, first} = compiled(fn -> train.(100) end)
      assert count <= unquote(most)
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

  test "attention with a cache, token by token" do
    weights = Nx.divide(Nx.iota({4, 4}), 16)
    step = Nx.Defn.jit(&attend/4, compiler: Nx.Vulkan)
    state = {Nx.tensor([[1.0, 0.5, 0.25, 0.125]]), Nx.broadcast(0.0, {16, 4})}

    {count, _} =
      compiled(fn ->
        0..9
        |> Enum.reduce(state, fn at, {x, cache} -> step.(x, cache, weights, at) end)
        |> elem(0)
        |> Nx.to_flat_list()
      end)

    assert count <= 8
  end
end
