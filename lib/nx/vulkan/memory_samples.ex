defmodule Nx.Vulkan.MemorySamples do
  @moduledoc false
  # Memory of an engine over time. However long that is, there are at most @most samples: when there are as
  # many, every other one is dropped, and they are taken half as often.

  alias Nx.Vulkan.Native

  @most 2_000

  @opaque t :: {pid, reference}

  @doc "Begins to take samples, each millisecond."
  @spec start(reference) :: t
  def start(engine) do
    caller = self()
    begin = System.monotonic_time()

    spawn_monitor(fn ->
      # Whoever started it may die.
      monitor = Process.monitor(caller)
      loop(engine, monitor, begin, 1, [])
    end)
  end

  @doc "Ends, with the samples: milliseconds since the start, and what `Native.memory_stats/1` told."
  @spec stop(t) :: [Nx.Vulkan.Timeline.sample()]
  def stop({pid, monitor}) do
    send(pid, :stop)

    receive do
      {:DOWN, ^monitor, _, _, {:samples, samples}} -> samples
      {:DOWN, ^monitor, _, _, _} -> []
    end
  end

  defp loop(engine, monitor, begin, period, samples) do
    samples = take(engine, begin, samples)

    {period, samples} =
      if length(samples) < @most,
        do: {period, samples},
        else: {period * 2, Enum.take_every(samples, 2)}

    receive do
      :stop -> exit({:samples, Enum.reverse(take(engine, begin, samples))})
      {:DOWN, ^monitor, _, _, _} -> :ok
    after
      period -> loop(engine, monitor, begin, period, samples)
    end
  end

  defp take(engine, begin, samples) do
    passed = System.convert_time_unit(System.monotonic_time() - begin, :native, :microsecond)

    case Native.memory_stats(engine) do
      {:ok, stats} -> [{passed / 1000, stats} | samples]
      _ -> samples
    end
  end
end
