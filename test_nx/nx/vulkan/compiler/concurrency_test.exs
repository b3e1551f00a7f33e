defmodule Nx.Vulkan.Compiler.ConcurrencyTest do
  # Many processes call the same definitions at once, and die during calls. NXV_SECONDS: how long.
  # Looks at the memory of the whole VM.
  use ExUnit.Case, async: false
  @moduletag :device
  @moduletag timeout: :infinity

  import Nx.Defn

  defn(straight(x, y), do: {Nx.sin(x) * y, Nx.sum(x * x), x})
  defn(gradient(x, y), do: grad(x, fn x -> Nx.sum(Nx.exp(Nx.tanh(x)) * y) end))
  defn(product(x, y), do: Nx.dot(Nx.outer(x, y), y))

  defn counted(x, y) do
    {_, x} =
      while {i = 0, x}, i < 5 do
        {i + 1, x * 0.5 + i}
      end

    x + y
  end

  defn until(x, y) do
    {x, _} =
      while {x, y}, Nx.sum(Nx.abs(x)) < 1000 do
        {x * 1.5 + y, y}
      end

    x
  end

  defn branch(x, y) do
    if Nx.sum(x) > Nx.sum(y), do: {x - y, x}, else: {Nx.exp(y), x * 2}
  end

  defn nested(x, y) do
    {_, x, _} =
      while {i = 0, x, y}, i < 3 do
        x = if Nx.sum(x) > 2, do: x - y, else: Nx.put_slice(x, [i], Nx.new_axis(Nx.sum(y), 0))
        {i + 1, x, y}
      end

    x
  end

  defn rows(x, y) do
    while x, row <- Nx.outer(y, x) do
      Nx.cos(x + row)
    end
  end

  defn(sorted(x, y), do: %{sorted: Nx.sort(x), sums: {Nx.cumulative_sum(y), Nx.argmax(x)}})

  defp definitions do
    [&straight/2, &gradient/2, &product/2, &counted/2, &until/2, &branch/2, &nested/2, &rows/2] ++
      [&sorted/2, &normal_of/2]
  end

  defn normal_of(x, y) do
    {values, _key} = Nx.Random.normal(Nx.Random.key(Nx.as_type(Nx.sum(y), :s64)), shape: {4})
    values * x
  end

  # The k-th arguments, made anew: calls may write over them.
  defp arguments(k, size) do
    x = Nx.iota({size}, type: :f32) |> Nx.remainder(5) |> Nx.add(k) |> Nx.divide(4)
    {x, Nx.subtract(2, x)}
  end

  defp call(fun, k, size) do
    {x, y} = arguments(k, size)

    [Nx.Defn.jit_apply(fun, [x, y], compiler: Nx.Vulkan)]
    |> Nx.Defn.Composite.flatten_list()
    |> Enum.map(&Nx.to_binary/1)
  end

  # Memory once nothing that was dropped is counted any more, or as it is after a while.
  defp settled(goal \\ %{in_use: 0, nodes: 0}, tries \\ 100) do
    :erlang.garbage_collect()
    Nx.Vulkan.trim()
    stats = Nx.Vulkan.memory_stats!()

    if tries == 0 or (stats.in_use <= goal.in_use and stats.nodes <= goal.nodes) do
      stats
    else
      Process.sleep(5)
      settled(goal, tries - 1)
    end
  end

  defp assert_nothing_leaks(before) do
    now = settled(before)
    assert now.in_use <= before.in_use
    assert now.nodes <= before.nodes
  end

  test "100 processes call 10 definitions at once: as alone, and no memory is left behind" do
    seconds = String.to_integer(System.get_env("NXV_SECONDS", "2"))
    alone = for fun <- definitions(), do: {fun, for(k <- 0..3, do: call(fun, k, 4))}
    before = settled()
    stop = System.monotonic_time(:millisecond) + 1000 * seconds

    calls =
      1..100
      |> Task.async_stream(&caller(&1, 0, List.to_tuple(alone), stop),
        max_concurrency: 100,
        timeout: :infinity
      )
      |> Enum.map(fn {:ok, calls} -> calls end)

    assert Enum.min(calls) > 0
    assert_nothing_leaks(before)
  end

  defp caller(p, i, alone, stop) do
    {fun, expected} = elem(alone, rem(p + 3 * i, tuple_size(alone)))
    k = rem(p + i, 4)
    assert call(fun, k, 4) == Enum.at(expected, k)
    if System.monotonic_time(:millisecond) < stop, do: caller(p, i + 1, alone, stop), else: i + 1
  end

  test "processes that are killed during calls leave nothing behind" do
    size = 16_384
    funs = for fun <- definitions(), fun not in [&product/2, &rows/2, &normal_of/2], do: fun
    expected = for fun <- funs, do: call(fun, 1, size)
    before = settled()
    :rand.seed(:exsss, 1)

    for i <- 1..100 do
      {pid, monitor} = spawn_monitor(fn -> endless(funs, i, size) end)
      for _ <- 1..:rand.uniform(2000), do: :erlang.yield()
      if rem(i, 3) == 0, do: Process.sleep(:rand.uniform(10))
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, _, _, :killed}, 10_000
    end

    assert_nothing_leaks(before)
    assert for(fun <- funs, do: call(fun, 1, size)) == expected
  end

  # Every other call is dropped while it runs.
  defp endless(funs, i, size) do
    fun = Enum.at(funs, rem(i, length(funs)))
    {x, y} = arguments(rem(i, 4), size)

    if rem(i, 2) == 0,
      do: call(fun, 0, size),
      else: Nx.Defn.jit_apply(fun, [x, y], compiler: Nx.Vulkan)

    endless(funs, i + 1, size)
  end
end
