defmodule Nx.Vulkan.MemoryTest do
  # Opens engines of its own with small budgets.
  use ExUnit.Case, async: false
  @moduletag :device

  alias Nx.Vulkan, as: V

  @budget 64 * 1024 * 1024

  setup do
    :ok = V.close()
    :ok = V.init(memory_budget: @budget)

    on_exit(fn ->
      :ok = V.close()
      :ok = V.init()
    end)
  end

  defp megabyte, do: V.iota!({262_144}, type: :f32) |> V.add!(0.5) |> V.eval!()

  test "a loop that makes garbage stays within the budget" do
    Enum.each(1..1000, fn _ -> megabyte() end)
    assert V.memory_stats!().peak <= @budget
  end

  test "a process that keeps its last tensors stays within the budget" do
    Enum.reduce(1..500, [], fn _, kept -> Enum.take([megabyte() | kept], 10) end)
    assert V.memory_stats!().peak <= @budget
  end

  test "idle processes full of garbage are collected for others" do
    test = self()

    pids =
      for _ <- 1..6 do
        spawn_link(fn ->
          for _ <- 1..8, do: megabyte()
          send(test, :idle)
          receive do: (:stop -> :ok)
        end)
      end

    for _ <- pids, do: assert_receive(:idle, 60_000)
    held = for _ <- 1..40, do: megabyte()
    assert length(held) == 40
    for pid <- pids, do: send(pid, :stop)
  end

  test "exhausted memory is an answer, and the device lives" do
    held =
      Enum.reduce_while(1..1000, [], fn _, held ->
        with {:ok, t} <- V.iota({262_144}, type: :f32),
             {:ok, t} <- V.add(t, 0.5),
             {:ok, t} <- V.eval(t) do
          {:cont, [t | held]}
        else
          {:error, reason} -> {:halt, {reason, held}}
        end
      end)

    assert {:alloc_failed, held} = held
    assert length(held) > 30
    Enum.each(held, &V.deallocate/1)
    assert V.to_list!(V.add!(V.tensor!([1.0]), 1.0)) == [2.0]
    assert V.shape(megabyte()) == {262_144}
  end

  test "a single tensor beyond the budget is refused" do
    too_large = V.iota({@budget}, type: :f32)

    assert {:error, :alloc_failed} =
             with({:ok, t} <- too_large, {:ok, t} <- V.add(t, 1.0), do: V.eval(t))
  end

  test "tensors of a closed device answer :device_lost, and a new device opens" do
    t = V.tensor!([1.0, 2.0])
    computed = V.eval!(V.add!(t, 1.0))
    :ok = V.close()
    assert V.to_list(computed) == {:error, :device_lost}
    assert V.to_list(t) == {:error, :device_lost}
    assert V.to_list!(V.tensor!([3.0])) == [3.0]
    assert {:error, _} = V.add(t, V.tensor!([1.0, 2.0]))
    :ok = V.close()
    :ok = V.init(memory_budget: @budget)
  end
end
