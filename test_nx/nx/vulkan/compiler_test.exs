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
end
