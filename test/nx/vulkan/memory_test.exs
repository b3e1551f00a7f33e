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

  # A process that made a tensor, keeps it, and does nothing until it is stopped.
  defp idle_maker do
    test = self()

    pid =
      spawn_link(fn ->
        tensor = megabyte()
        send(test, {:idle, self()})
        receive do: (:stop -> V.shape(tensor))
      end)

    receive do: ({:idle, ^pid} -> pid)
  end

  defp exhaust,
    do: {:error, :alloc_failed} = V.iota!({@budget}, type: :f32) |> V.add!(1.0) |> V.eval()

  test "messages of the caller stay as they are when garbage is collected" do
    slow = idle_maker()
    idle = idle_maker()
    # Answers that the caller is waiting for, one before and one that comes meanwhile.
    :erlang.garbage_collect(idle, async: :mine)
    send(self(), :first)
    :erlang.suspend_process(slow)
    :erlang.garbage_collect(slow, async: :late)
    exhaust()
    :erlang.resume_process(slow)

    assert_receive {:garbage_collect, :late, true}
    assert_receive {:garbage_collect, :mine, true}
    assert {:messages, [:first]} = Process.info(self(), :messages)

    # Whoever was slow has done what was asked of it by now.
    for pid <- [slow, idle] do
      :erlang.garbage_collect(pid)
      send(pid, :stop)
    end

    assert {:messages, [:first]} = Process.info(self(), :messages)
  end

  test "messages that wait are not looked through when garbage is collected" do
    pids = for _ <- 1..50, do: idle_maker()

    {with_messages, without, look} =
      Task.async(fn ->
        Process.flag(:message_queue_data, :off_heap)
        # Whatever else runs on the machine only adds.
        microseconds = fn fun -> Enum.min(for _ <- 1..5, do: fun |> :timer.tc() |> elem(0)) end
        exhaust()
        without = microseconds.(&exhaust/0)
        for i <- 1..500_000, do: send(self(), {:garbage, i})
        look = microseconds.(fn -> receive(do: (:none -> :ok), after: (0 -> :ok)) end)
        {microseconds.(&exhaust/0), without, look}
      end)
      |> Task.await(:infinity)

    # Not one look for each of them.
    assert with_messages < without + 10 * look
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
