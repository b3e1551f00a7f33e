defmodule Nx.Vulkan.BackendLifetimeTest do
  # Opens engines of its own with a small budget.
  use ExUnit.Case, async: false
  @moduletag :device

  @budget 64 * 1024 * 1024

  setup do
    :ok = Nx.Vulkan.close()
    :ok = Nx.Vulkan.init(memory_budget: @budget)

    on_exit(fn ->
      :ok = Nx.Vulkan.close()
      :ok = Nx.Vulkan.init()
    end)
  end

  # 1 MB of storage, read to its last element.
  defp megabyte(i) do
    t =
      Nx.iota({262_144}, type: :f32)
      |> Nx.add(i)
      |> Nx.Defn.jit(&Nx.sin/1, compiler: Nx.Vulkan).()

    Nx.to_number(t[0])
    t
  end

  test "a loop that makes tensors of 1 MB and drops them stays under 64 MB" do
    Enum.each(1..500, &megabyte/1)
    assert Nx.Vulkan.memory_stats!().peak <= @budget
  end

  test "so do many processes, each with its last few" do
    1..20
    |> Task.async_stream(
      fn p ->
        Enum.reduce(1..20, [], fn i, kept -> Enum.take([megabyte(p + i) | kept], 2) end)
      end,
      max_concurrency: 20,
      timeout: :infinity
    )
    |> Enum.each(fn {:ok, kept} -> assert length(kept) == 2 end)

    assert Nx.Vulkan.memory_stats!().peak <= @budget
  end

  test "exhausted memory raises, and the device lives" do
    assert_raise Nx.Vulkan.Error, ~r/alloc_failed/, fn ->
      held = Enum.map(1..100, &megabyte/1)
      Enum.each(held, &Nx.to_binary/1)
      flunk("#{length(held)} MB fit")
    end

    assert Nx.to_flat_list(Nx.add(Nx.tensor([1, 2]), 1)) == [2, 3]
  end
end
