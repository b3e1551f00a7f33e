defmodule Stress.Lives do
  @moduledoc false
  # What goes on for long needs no more in the end than in the beginning.

  import Stress.Harness, only: [progress: 2]
  alias Nx.Vulkan, as: V

  def all do
    [
      {"life", "steps that train a tiny model", &life/1},
      {"growth", "the same with a tensor that grows by an element", &growth/1},
      {"deep", "a graph of a million nodes, nothing of it read before the end", &deep/1}
    ]
  end

  defp long?, do: System.get_env("LONG", "") not in ["", "0"]

  # y = 2x - 1 by gradient descent; the loss is read now and then, as programs do.
  defp life(quick?) do
    steps = if(quick?, do: 20_000, else: if(long?(), do: 1_000_000, else: 200_000))
    x = V.tensor!(Enum.map(0..15, &(&1 / 16)))
    y = V.subtract!(V.multiply!(x, 2), 1)

    flat(steps, {V.tensor!(0.0), V.tensor!(0.0)}, fn i, {w, b} ->
      error = V.subtract!(V.add!(V.multiply!(x, w), b), y)
      if rem(i, 100) == 0, do: V.to_number!(mean(V.multiply!(error, error)))
      gradient = mean(V.multiply!(error, x))
      {step(w, gradient), step(b, mean(error))}
    end)
    |> then(fn {{w, b}, text} ->
      for {got, wanted} <- [{w, 2.0}, {b, -1.0}],
          found = V.to_number!(got),
          abs(found - wanted) > 1.0e-3,
          do: raise("#{found} instead of #{wanted}")

      "#{steps} steps; #{text}"
    end)
  end

  defp mean(t), do: V.divide!(V.sum!(t), 16)

  defp step(value, gradient), do: V.subtract!(value, V.multiply!(gradient, 0.5))

  defp growth(quick?) do
    steps = if quick?, do: 2_000, else: 20_000

    {_, text} =
      flat(steps, nil, fn i, nil ->
        n = div(i, 2) + 1
        t = V.iota!({n}, type: :f32)
        sum = t |> V.multiply!(2) |> V.reverse!() |> V.sum!() |> V.to_number!()
        if n < 2_000 and sum != n * (n - 1), do: raise("#{sum} for #{n}")
        nil
      end)

    "#{steps} steps; #{text}"
  end

  defp deep(quick?) do
    nodes = if quick?, do: 100_000, else: 1_000_000
    start = V.tensor!([0])

    got =
      Enum.reduce(1..nodes, start, fn i, t ->
        progress(i, nodes)
        V.add!(t, 1)
      end)

    case V.to_list!(got) do
      [^nodes] -> "#{nodes} additions"
      other -> raise "got #{inspect(other)}"
    end
  end

  # Repeats a step. What the VM and the device hold after a tenth of the steps may not grow much after
  # that.
  defp flat(steps, state, step) do
    {state, early} = repeat(1..div(steps, 10), state, step, steps)
    {state, late} = repeat((div(steps, 10) + 1)..steps, state, step, steps)

    for {what, slack} <- [nodes: 100, kernels: 20, files: 5, kibibytes: 65_536],
        late[what] > early[what] + slack,
        do: raise("#{what}: #{early[what]} grow to #{late[what]}")

    {state,
     "#{late.nodes} nodes, #{late.kernels} kernels, #{late.files} files, #{div(late.kibibytes, 1024)} MiB " <>
       "resident (#{div(early.kibibytes, 1024)} after a tenth)"}
  end

  defp repeat(range, state, step, steps) do
    state =
      Enum.reduce(range, state, fn i, state ->
        progress(i, steps)
        step.(i, state)
      end)

    {state, held()}
  end

  # Where there is no /proc, files and memory count as none.
  defp held do
    :erlang.garbage_collect()
    V.trim!()

    %{
      nodes: V.memory_stats!().nodes,
      kernels: V.counters!().kernels_compiled,
      files: "/proc/self/fd" |> File.ls() |> then(fn {_, names} -> length(List.wrap(names)) end),
      kibibytes: resident()
    }
  end

  defp resident do
    with {:ok, status} <- File.read("/proc/self/status"),
         [_, kibibytes] <- Regex.run(~r/VmRSS:\s+(\d+) kB/, status) do
      String.to_integer(kibibytes)
    else
      _ -> 0
    end
  end
end
