defmodule Nx.Vulkan.CompilerTest do
  # Counts the kernels of the whole VM.
  use ExUnit.Case, async: false
  @moduletag :device

  import Nx.Defn

  # The moments of a gradient: `mean` takes every gradient before it.
  defn step(x, mean) do
    gradient = grad(x, fn x -> Nx.sum(Nx.cos(x) * x) end)
    mean = 0.9 * mean + 0.1 * gradient
    {x - 0.1 * mean, mean}
  end

  test "a loop whose state is not read runs the same kernels in each step" do
    step = Nx.Defn.jit(&step/2, compiler: Nx.Vulkan)
    x = Nx.iota({8}, type: :f32)
    run = fn n, state -> Enum.reduce(1..n, state, fn _, {x, mean} -> step.(x, mean) end) end

    state = run.(3, {x, Nx.multiply(x, 0)})
    state |> Tuple.to_list() |> Enum.each(&Nx.to_binary/1)
    before = Nx.Vulkan.counters!().kernels_compiled
    {x, _} = run.(15, state)
    assert Enum.all?(Nx.to_flat_list(x), &is_float/1)
    assert Nx.Vulkan.counters!().kernels_compiled == before
  end

  test "results are tensors of their own" do
    same = Nx.Defn.jit(fn x -> {x, Nx.multiply(x, 2), x} end, compiler: Nx.Vulkan)
    x = Nx.add(Nx.iota({3}, backend: Nx.Vulkan.Backend), 1)
    {first, twice, last} = same.(x)
    assert Nx.backend_deallocate(x) == :ok
    assert Nx.to_flat_list(twice) == [2, 4, 6]
    assert Nx.backend_deallocate(first) == :ok
    assert Nx.to_flat_list(last) == [1, 2, 3]
    assert Nx.backend_deallocate(twice) == :ok
    assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.to_flat_list(x) end
    assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.to_flat_list(first) end

    # Vectorized, in containers, and scalars that are known on the host.
    v = Nx.vectorize(Nx.tensor([[1, 2], [3, 4]], backend: Nx.Vulkan.Backend), :rows)
    number = Nx.tensor(7, backend: Nx.Vulkan.Backend)
    results = Nx.Defn.jit(fn v, n -> %{v: v, n: n} end, compiler: Nx.Vulkan).(v, number)
    assert Nx.backend_deallocate(v) == :ok
    assert Nx.backend_deallocate(number) == :ok
    assert results.v |> Nx.devectorize() |> Nx.to_flat_list() == [1, 2, 3, 4]
    assert Nx.to_number(results.n) == 7
  end
end
