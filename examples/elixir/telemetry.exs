# Events of Nx.Vulkan.Telemetry, added up and printed:
#
#     mix run examples/elixir/telemetry.exs
#
# Needs :telemetry, which Nx brings along.

defmodule Sums do
  @moduledoc false
  # Counts events and adds their numbers up. A handler runs where the event happens: it only adds.

  alias Nx.Vulkan, as: V

  @events for event <- [
                [:evaluation],
                [:transfer],
                [:compilation, :program],
                [:compilation, :kernels],
                [:memory, :pressure],
                [:memory, :exhausted],
                [:fault],
                [:slow_path],
                [:device, :open]
              ],
              do: [:nx_vulkan | event]

  def attach do
    :ets.new(__MODULE__, [:named_table, :public, write_concurrency: true])
    :ok = :telemetry.attach_many("sums", @events, &__MODULE__.handle/4, nil)
  end

  def handle(event, measurements, metadata, nil) do
    key = {event, metadata[:direction] || metadata[:operation] || metadata[:reason]}
    :ets.update_counter(__MODULE__, key, {2, 1}, {key, 0, 0, 0})
    add(key, 3, measurements[:duration])
    add(key, 4, measurements[:bytes] || measurements[:kernels])
  end

  defp add(_key, _position, nil), do: :ok
  defp add(key, position, n), do: :ets.update_counter(__MODULE__, key, {position, n})

  def print do
    IO.puts("event                                       times          ms   bytes, kernels")

    for {{event, kind}, times, duration, amount} <- Enum.sort(:ets.tab2list(__MODULE__)) do
      name = Enum.join(tl(event), ".") <> if(kind, do: " (#{kind})", else: "")
      ms = System.convert_time_unit(duration, :native, :microsecond) / 1000

      IO.puts(
        String.pad_trailing(name, 40) <>
          String.pad_leading("#{times}", 9) <>
          String.pad_leading(:erlang.float_to_binary(ms, decimals: 2), 12) <>
          String.pad_leading("#{amount}", 17)
      )
    end
  end

  def work do
    x = V.random_normal!({512, 512}, 1)

    for i <- 1..20 do
      V.matmul!(x, V.tanh!(V.multiply!(x, i / 20))) |> V.sum!() |> V.to_number!()
    end

    V.to_binary!(V.exp!(x))
    # A fault: what only the data shows.
    {:error, :arithmetic} = V.to_list(V.quotient!(V.tensor!([1]), V.tensor!([0])))
    Nx.Vulkan.Telemetry.measure()
  end
end

if Nx.Vulkan.Telemetry.on?() do
  Sums.attach()
  Sums.work()
  Sums.print()
else
  IO.puts("There is no :telemetry among the applications that were started.")
end
