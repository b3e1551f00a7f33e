defmodule Stress.Crowd do
  @moduledoc false
  # Very many processes that call every kind of operation, and somebody who kills them.

  import Stress.Harness, only: [progress: 2]
  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Calls, Operations}

  def all, do: [{"crowd", "1000 processes call every operation, killed at random", &crowd/1}]

  # What processes are at when they die. Few make kernels: for those everybody waits.
  @works {:building, :building, :evaluating, :evaluating, :reading, :reading, :reading,
          :compiling}

  defp crowd(quick?) do
    size = if quick?, do: 200, else: 1000
    kills = if quick?, do: 500, else: 20_000
    calls = List.to_tuple(Map.to_list(Calls.all()))
    steps = :counters.new(1, [:write_concurrency])
    compiled = V.counters!().kernels_compiled
    :rand.seed(:exsss, 3)

    members = for i <- 1..size, into: %{}, do: member(i, calls, steps)
    members = Enum.reduce(1..kills, members, &kill(&1, &2, kills, calls, steps))

    for {pid, monitor} <- members do
      Process.exit(pid, :kill)
      receive do: ({:DOWN, ^monitor, _, _, :killed} -> :ok)
    end

    for {name, {operands, options, answer}} <- Calls.all() do
      got = Calls.answer(V.call!(name, operands, options))
      if got != answer, do: raise("#{name} answers #{inspect(got)} afterwards")
    end

    compiled = V.counters!().kernels_compiled - compiled
    if compiled == 0, do: raise("nobody made a kernel")

    "#{kills} times one of #{size} killed; #{:counters.get(steps, 1)} right results, #{compiled} kernels"
  end

  defp member(i, calls, steps) do
    work = elem(@works, rem(i, tuple_size(@works)))
    section = self()
    spawn_monitor(fn -> endless(work, calls, steps, section) end)
  end

  # Somebody at random, whose place another one takes.
  defp kill(i, members, kills, calls, steps) do
    progress(i, kills)
    if rem(i, 7) == 0, do: Process.sleep(:rand.uniform(3)), else: :erlang.yield()
    {pid, monitor} = Enum.random(members)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, _, _, :killed} -> :ok
      {:DOWN, ^monitor, _, _, reason} -> raise "a process died by itself: #{inspect(reason)}"
    end

    {pid_of_next, monitor_of_next} = member(i, calls, steps)
    members |> Map.delete(pid) |> Map.put(pid_of_next, monitor_of_next)
  end

  # A thousand processes may need more memory than there is for the moment: those wait.
  defp endless(work, calls, steps, section) do
    try do
      step(work, calls)
      :counters.add(steps, 1, 1)
    rescue
      error in V.Error ->
        if error.reason != :alloc_failed, do: reraise(error, __STACKTRACE__)
        Process.sleep(:rand.uniform(20))
    end

    if Process.alive?(section), do: endless(work, calls, steps, section)
  end

  # A chain that nobody reads.
  defp step(:building, _calls) do
    x = V.iota!({:rand.uniform(100)}, type: :f32)
    Enum.reduce(1..50, x, fn _, x -> V.multiply!(V.add!(x, 1), 0.5) end)
  end

  # Kernels that perhaps nobody has had, of two operations; one after the other they have the same bits.
  defp step(:compiling, _calls) do
    [f, g] = for _ <- 1..2, do: Enum.random(floating())
    x = V.multiply!(V.iota!({17}, type: :f32), 0.375)
    fused = V.to_binary!(V.call!(g, [V.call!(f, [x])]))
    apart = V.to_binary!(V.call!(g, [V.eval!(V.call!(f, [x]))]))
    if fused != apart, do: raise("#{f} and #{g} together are not what they are apart")
  end

  defp step(:evaluating, _calls) do
    a = V.random_uniform!({64, 64}, :rand.uniform(1000))
    V.eval!(V.matmul!(a, a))
  end

  defp step(:reading, calls) do
    {name, {operands, options, answer}} = elem(calls, :rand.uniform(tuple_size(calls)) - 1)
    got = Calls.answer(V.call!(name, operands, options))
    if got != answer, do: raise("#{name}: #{inspect(got)} instead of #{inspect(answer)}")
  end

  # Of floats and to floats.
  defp floating do
    Keyword.keys(Operations.unary()) --
      [:bitwise_not, :population_count, :count_leading_zeros, :conjugate]
  end
end
