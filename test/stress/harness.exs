defmodule Stress.Harness do
  @moduledoc false
  # Runs sections one after the other, each in a process of its own, and demands that afterwards the
  # device holds what it held before. What was seen is printed, and written as JSON.

  alias Nx.Vulkan, as: V

  @budget 256 * 1024 * 1024

  @doc """
  Sections are {name, title, fun}; fun takes quick? and answers a line about what it saw. They run once,
  and quickly over and over until `seconds` have passed. Whether all have passed; what was seen is
  in the file `report`.
  """
  def run(sections, quick?, seconds, report) do
    stop = System.monotonic_time(:second) + seconds
    # A small budget finds what holds too much; the caller's wins.
    options = if System.get_env("NXV_MEMORY_BUDGET"), do: [], else: [memory_budget: @budget]
    :ok = V.init(options)

    IO.puts(
      "Device: #{V.device_name!()}, budget #{div(V.memory_stats!().budget, 1_048_576)} MiB\n"
    )

    V.to_list!(V.add!(V.tensor!([1.0]), 1.0))

    results = for {name, title, fun} <- sections, do: section(name, title, fn -> fun.(quick?) end)
    results = results ++ again(sections, stop, 1)
    summary(results)
    write(report, results, quick?)
    Enum.all?(results, &(elem(&1, 1) == :passed))
  end

  # In another order each time.
  defp again(sections, stop, round) do
    if System.monotonic_time(:second) < stop do
      IO.puts("\nRound #{round + 1}")
      sections = Enum.sort_by(sections, fn {name, _, _} -> :erlang.phash2({name, round}) end)

      results =
        for {name, title, fun} <- sections,
            System.monotonic_time(:second) < stop,
            do: section(name, title, fn -> fun.(true) end)

      results ++ again(sections, stop, round + 1)
    else
      []
    end
  end

  defp section(name, title, fun) do
    IO.puts("#{name}: #{title}")
    before = settle(nil, 50)
    start = System.monotonic_time(:millisecond)

    {verdict, text} =
      case isolated(fun) do
        {:ok, text} -> check_leaks(text, before)
        {:failed, text} -> {:failed, text}
      end

    seconds = (System.monotonic_time(:millisecond) - start) / 1000
    IO.puts("#{clear()}  #{verdict}: #{text} (#{Float.round(seconds, 1)} s)")
    {name, verdict, seconds, text}
  end

  defp isolated(fun) do
    parent = self()
    ref = make_ref()

    {pid, monitor} =
      spawn_monitor(fn ->
        result =
          try do
            {:ok, fun.()}
          rescue
            error -> {:failed, Exception.format(:error, error, __STACKTRACE__)}
          catch
            kind, reason -> {:failed, Exception.format(kind, reason, __STACKTRACE__)}
          end

        send(parent, {ref, result})
      end)

    receive do
      {^ref, result} ->
        receive do: ({:DOWN, ^monitor, _, ^pid, _} -> result)

      {:DOWN, ^monitor, _, ^pid, reason} ->
        {:failed, "the process died: #{inspect(reason)}"}
    end
  end

  defp check_leaks(text, before) do
    now = settle(before, 1000)

    if now.in_use <= before.in_use and now.nodes <= before.nodes do
      {:passed, text}
    else
      {:failed,
       "#{text}; leaks #{now.in_use - before.in_use} bytes, #{now.nodes - before.nodes} nodes"}
    end
  end

  # Destructors run when processes yield, and the engine frees a moment later.
  defp settle(goal, tries) do
    :erlang.garbage_collect()
    V.trim()
    stats = V.memory_stats!()
    reached? = goal != nil and stats.in_use <= goal.in_use and stats.nodes <= goal.nodes

    if reached? or tries == 0 do
      stats
    else
      Process.sleep(5)
      settle(goal, tries - 1)
    end
  end

  defp summary(results) do
    IO.puts("\nsection      result    seconds  what was seen")

    for {name, verdict, seconds, text} <- results do
      first = text |> String.split("\n") |> hd()

      IO.puts(
        String.pad_trailing(name, 13) <>
          String.pad_trailing(to_string(verdict), 8) <>
          String.pad_leading("#{Float.round(seconds, 1)}", 9) <> "  " <> first
      )
    end

    {passed, failed} = Enum.split_with(results, &(elem(&1, 1) == :passed))
    IO.puts("\nSections: #{length(passed)} passed, #{length(failed)} failed, 0 skipped")
  end

  defp write(path, results, quick?) do
    sections =
      for {name, verdict, seconds, text} <- results,
          do: object(name: name, result: to_string(verdict), seconds: seconds, text: text)

    stats = V.memory_stats!()

    report =
      object(
        device: V.device_name!(),
        budget: stats.budget,
        quick: quick?,
        in_use: stats.in_use,
        nodes: stats.nodes,
        kernels: V.counters!().kernels_compiled,
        sections: {:json, "[\n" <> Enum.map_join(sections, ",\n", &json/1) <> "]"}
      )

    File.mkdir_p!(Path.dirname(path))
    File.write!(path, json(report) <> "\n")
    IO.puts("Report: #{path}")
  end

  defp object(members),
    do:
      {:json, "{" <> Enum.map_join(members, ", ", fn {k, v} -> "\"#{k}\": #{json(v)}" end) <> "}"}

  defp json({:json, text}), do: text

  defp json(text) when is_binary(text),
    do: "\"#{for <<c::utf8 <- text>>, into: "", do: escaped(c)}\""

  defp json(other), do: to_string(other)

  defp escaped(c) when c in [?", ?\\], do: <<?\\, c>>
  defp escaped(c) when c < 0x20, do: "\\u" <> String.pad_leading(Integer.to_string(c, 16), 4, "0")
  defp escaped(c), do: <<c::utf8>>

  @doc "Shows how far a section has come, on a terminal."
  def progress(done, total) do
    if IO.ANSI.enabled?() and rem(done, max(div(total, 100), 1)) == 0 do
      IO.write("\r  #{div(100 * done, total)} % (#{done} of #{total})")
    end
  end

  defp clear, do: if(IO.ANSI.enabled?(), do: "\r\e[K", else: "")
end
