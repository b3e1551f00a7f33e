defmodule Nx.Vulkan.LifetimeTest do
  # Counts what lives on the device: no other test may run beside these.
  use ExUnit.Case, async: false
  @moduletag :device

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Native, Tensor}

  setup do
    %{baseline: settled(fn -> true end)}
  end

  # Destructors run when processes yield, and the engine frees what they release a moment later.
  defp settled(done?, tries \\ 500) do
    :erlang.garbage_collect()
    :erlang.yield()
    :ok = V.trim()
    stats = Map.take(V.memory_stats!(), [:in_use, :nodes])

    cond do
      done?.() and stats == Map.take(V.memory_stats!(), [:in_use, :nodes]) -> stats
      tries == 0 -> flunk("still alive: #{inspect(V.memory_stats!())}")
      true -> Process.sleep(2) && settled(done?, tries - 1)
    end
  end

  defp assert_back_to(baseline) do
    settled(fn ->
      stats = V.memory_stats!()
      stats.in_use <= baseline.in_use and stats.nodes <= baseline.nodes
    end)
  end

  defp run(fun), do: Task.await(Task.async(fun), :infinity)

  test "a chain whose intermediates are all referenced is one kernel" do
    # 64 KiB and less are known on the host, so the input is made on the device.
    a = V.iota!({100_000}, type: :f32) |> V.multiply!(0.001) |> V.eval!()
    before = V.counters!()

    chain =
      Enum.scan(1..8, a, fn
        i, t when rem(i, 2) == 0 -> V.multiply!(t, a)
        _, t -> V.add!(t, 1.0)
      end)

    V.eval!(List.last(chain))
    counters = V.counters!()
    assert counters.dispatches - before.dispatches == 1
    assert counters.bytes_read - before.bytes_read == 400_000
    assert counters.bytes_written - before.bytes_written == 400_000
    assert Enum.map(chain, &V.shape/1) |> Enum.uniq() == [{100_000}]
  end

  test "what a dead process held is freed", %{baseline: baseline} do
    run(fn ->
      for i <- 1..100, do: V.iota!({1000}, type: :f32) |> V.add!(i) |> V.eval!()
    end)

    assert_back_to(baseline)
  end

  test "what killed processes held is freed, also when they were waiting", %{baseline: baseline} do
    bytes = :binary.copy(<<0>>, 1_000_000)

    pids =
      for _ <- 1..40 do
        spawn(fn ->
          t = V.from_binary!(bytes, {250_000}, :f32)
          held = for i <- 1..3, do: V.eval!(V.add!(t, i))
          for t <- held, _ <- 1..3, do: Native.read(t.ref, -1, make_ref())
          Process.sleep(:infinity)
        end)
      end

    for {pid, i} <- Enum.with_index(pids) do
      Process.sleep(rem(i, 3))
      Process.exit(pid, :kill)
    end

    assert_back_to(baseline)
    assert V.to_number!(V.add!(1, 1)) == 2
  end

  test "a read answers exactly once", %{baseline: baseline} do
    run(fn ->
      t = V.add!(V.iota!({10}), 1)
      refs = for _ <- 1..200, do: make_ref()
      for ref <- refs, do: :ok = Native.read(t.ref, -1, ref)

      for ref <- refs do
        assert_receive {^ref, {:ok, bytes}}, 10_000
        assert byte_size(bytes) == 40
      end

      # Whatever else was going to come has come with the answer to a later read.
      V.to_list!(t)
      refute_received _
    end)

    assert_back_to(baseline)
  end

  test "a read that fails answers exactly once too" do
    t = V.tensor!([1.0]) |> V.eval!()
    :ok = V.deallocate(t)
    ref = make_ref()
    :ok = Native.read(t.ref, -1, ref)
    assert_receive {^ref, {:error, :deallocated, message}}, 10_000
    assert is_binary(message)
    V.to_list!(V.tensor!([1]))
    refute_received _
  end

  test "limits what it reads" do
    t = V.iota!({100})
    ref = make_ref()
    :ok = Native.read(t.ref, 3, ref)
    assert_receive {^ref, {:ok, <<0::little-32, 1::little-32, 2::little-32>>}}, 10_000
  end

  test "a tensor outlives the process that made it", %{baseline: baseline} do
    run(fn ->
      t = run(fn -> V.tensor!([1.0, 2.0, 3.0]) end)
      assert V.to_list!(t) == [1.0, 2.0, 3.0]
    end)

    assert_back_to(baseline)
  end

  test "100 processes racing", %{baseline: baseline} do
    1..100
    |> Task.async_stream(
      fn p ->
        for i <- 1..20 do
          t = V.tensor!([p, i, p * i])
          assert V.to_list!(V.multiply!(V.add!(t, 1), 2)) == [2 * p + 2, 2 * i + 2, 2 * p * i + 2]
        end
      end,
      max_concurrency: 100,
      timeout: :infinity
    )
    |> Enum.each(fn {:ok, _} -> :ok end)

    assert_back_to(baseline)
  end

  test "processes are known while their tensors live" do
    {:ok, engine} = Nx.Vulkan.Device.engine()
    test = self()

    pid =
      spawn(fn ->
        t = V.tensor!([1])
        send(test, :made)
        receive do: (:stop -> V.shape(t))
      end)

    assert_receive :made, 10_000
    assert pid in Native.makers(engine)
    monitor = Process.monitor(pid)
    send(pid, :stop)
    assert_receive {:DOWN, ^monitor, _, _, _}, 10_000
    settled(fn -> pid not in Native.makers(engine) end)
  end

  test "terms of the wrong kind are badarg" do
    {:ok, engine} = Nx.Vulkan.Device.engine()
    %Tensor{ref: ref} = V.tensor!([1, 2])

    for call <- [
          fn -> Native.unary(:exp, engine) end,
          fn -> Native.unary(:no_such_operation, ref) end,
          fn -> Native.unary(:exp, make_ref()) end,
          fn -> Native.reshape(ref, [1 | 2]) end,
          fn -> Native.reshape(ref, [2.0]) end,
          fn -> Native.cast(ref, :f31) end,
          fn -> Native.from_binary(engine, :u8, [1], <<1::7>>) end,
          fn -> Native.concatenate([ref | ref], 0) end,
          fn -> Native.memory_stats(make_ref()) end
        ] do
      assert_raise ArgumentError, call
    end
  end
end
