defmodule Stress.Schedulers do
  @moduledoc false
  # Whoever computes leaves others their turn.

  alias Nx.Vulkan, as: V

  def all, do: [{"sleepers", "1 ms sleeps while 100 processes build graphs", &sleepers/1}]

  @processes 100
  # Of sleeps one in a thousand may take this long, or four times what it takes beside processes that only
  # count, before or after: then the machine has other things to do.
  @limit_ms 10.0
  # Of the two of a short run that are later than that share one may be the machine's.
  @short_limit_ms 100.0

  defp sleepers(quick?) do
    sleeps = if quick?, do: 2_000, else: 20_000
    x = V.iota!({64}, type: :f32)
    count = fn -> late(fn -> Enum.sum(1..20) end, sleeps) end
    before = count.()
    building = late(fn -> V.add!(V.multiply!(x, 0.5), x) end, sleeps)
    counting = max(before, count.())

    seen = "99.9 % take at most #{building} ms, #{counting} ms beside processes that count"
    limit = if quick?, do: @short_limit_ms, else: @limit_ms
    if building > max(limit, 4 * counting), do: raise(seen)
    seen
  end

  # The 99.9th percentile of sleeps while processes do the same over and over, in milliseconds.
  defp late(work, sleeps) do
    busy = for _ <- 1..@processes, do: spawn_link(fn -> repeat(work) end)
    times = for _ <- 1..sleeps, do: elem(:timer.tc(fn -> Process.sleep(1) end), 0)
    monitors = Enum.map(busy, &Process.monitor/1)
    for pid <- busy, do: send(pid, :stop)
    for monitor <- monitors, do: receive(do: ({:DOWN, ^monitor, _, _, _} -> :ok))
    (times |> Enum.sort() |> Enum.at(div(sleeps * 999, 1000))) / 1000
  end

  defp repeat(work) do
    receive do
      :stop -> :ok
    after
      0 ->
        work.()
        repeat(work)
    end
  end
end
