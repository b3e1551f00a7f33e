defmodule Nx.Vulkan.Compiler.LoopTest do
  # How often loops wait for the device. Counts the submissions of the whole VM.
  use ExUnit.Case, async: false
  @moduletag :device

  import Nx.Defn

  # The data alone says when it ends.
  defn until(x, limit) do
    {x, _} =
      while {x, limit}, Nx.sum(x) < limit do
        {x + 0.5, limit}
      end

    x
  end

  defn counted(x, rounds) do
    {_, _, x} =
      while {i = 0, rounds, x}, i < rounds do
        {i + 1, rounds, x + 0.5}
      end

    x
  end

  defp submissions(fun, arguments) do
    run = fn -> fun |> Nx.Defn.jit_apply(arguments, compiler: Nx.Vulkan) |> Nx.to_flat_list() end
    run.()
    before = Nx.Vulkan.counters!()
    value = run.()
    now = Nx.Vulkan.counters!()
    assert now.kernels_compiled == before.kernels_compiled
    {value, now.submissions - before.submissions}
  end

  defp zeros, do: Nx.reverse(Nx.tensor([0.0, 0.0]))

  # Every read is a submission of its own, and batches have up to 256 rounds; the device starts on the
  # rounds of a batch while the others are recorded.
  test "10 000 rounds that the data ends are read a batch at a time" do
    assert {[5000.0, 5000.0], count} = submissions(&until/2, [zeros(), Nx.tensor(1.0e4)])
    assert count < 400
  end

  test "10 000 rounds that the host counts are not read" do
    assert {[5000.0, 5000.0], count} = submissions(&counted/2, [zeros(), 10_000])
    assert count < 400
  end
end
