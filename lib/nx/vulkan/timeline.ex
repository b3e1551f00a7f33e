defmodule Nx.Vulkan.Timeline do
  @moduledoc false
  # Pictures of what happens over time, as SVG documents: a profile, and the memory of a device.

  @width 1000
  @left 64
  @right 16
  @lane 26
  @chart 120
  # Characters are so wide, in pixels.
  @character 7.3

  @style "text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2937}" <>
           ".head{font-weight:600}.quiet{fill:#6b7280}.on{fill:#fff}" <>
           ".grid{stroke:#e3e7ed}.frame{fill:#f3f5f8}" <>
           ".use{fill:#2563eb;opacity:.75}.cached{fill:#93c5fd;opacity:.6}"

  # As in the pictures of explain.
  @colours [
    {"pointwise", "#0d9488"},
    {"reduction", "#d97706"},
    {"row program", "#7c3aed"},
    {"matmul", "#2563eb"},
    {"compile", "#dc2626"},
    {"schedule", "#f59e0b"},
    {"upload", "#10b981"},
    {"record", "#cbd5e1"},
    {"submit", "#475569"},
    {"wait", "#9ca3af"},
    {"call", "#64748b"},
    {"build", "#334155"}
  ]

  @typedoc "Milliseconds, and what `Nx.Vulkan.memory_stats/1` told then."
  @type sample :: {float, map}

  @doc "A picture of a profile: its trace, decoded, and samples of memory, whose times are the trace's."
  @spec profile(String.t(), map, [sample]) :: String.t()
  def profile(title, trace, samples) do
    wall = trace["otherData"]["wall_us"] / 1000
    spans = spans(trace)
    lanes = for name <- ["caller", "engine", "device"], do: {name, spans[name] || []}
    top = 48
    chart = top + length(lanes) * (@lane + 6) + 24
    height = chart + @chart + 40

    note =
      case trace["otherData"] do
        %{"left_out" => n} when n > 0 -> ", #{n} events left out"
        %{"device_times" => false} -> ", the device has no timestamps"
        _ -> ""
      end

    body = [
      text(@left, 20, "head", title),
      text(
        @left,
        38,
        "quiet",
        "#{trace["otherData"]["device"]}, #{milliseconds(wall)}#{note}"
      ),
      lanes
      |> Enum.with_index()
      |> Enum.map(fn {lane, i} -> lane(lane, top + i * (@lane + 6), wall) end),
      memory_chart(samples, chart, {0.0, wall})
    ]

    document(height, body)
  end

  @doc "A picture of the memory of a device over time."
  @spec memory(String.t(), [sample]) :: String.t()
  def memory(title, samples) do
    {first, last} = samples |> Enum.map(&elem(&1, 0)) |> Enum.min_max(fn -> {0.0, 1.0} end)
    body = [text(@left, 20, "head", title), memory_chart(samples, 44, {first, last})]
    document(44 + @chart + 40, body)
  end

  # By the names of threads: {begin, duration, name, arguments}, in milliseconds, by their beginning.
  defp spans(%{"traceEvents" => events}) do
    threads =
      for %{"ph" => "M", "name" => "thread_name", "tid" => tid, "args" => args} <- events,
          into: %{},
          do: {tid, args["name"]}

    events
    |> Enum.filter(&(&1["ph"] == "X"))
    |> Enum.sort_by(&{&1["ts"], -&1["dur"]})
    |> Enum.group_by(
      &threads[&1["tid"]],
      &{&1["ts"] / 1000, &1["dur"] / 1000, &1["name"], &1["args"]}
    )
  end

  defp lane({name, spans}, y, wall) do
    x = &place(&1, {0.0, wall})

    # What is too narrow to be seen is drawn once for each pixel.
    {bars, _} =
      Enum.flat_map_reduce(spans, -1.0, fn {begin, duration, _, _} = span, seen ->
        width = x.(begin + duration) - x.(begin)
        pixel = Float.floor(x.(begin))
        if width < 0.5 and pixel == seen, do: {[], seen}, else: {[bar(span, x, y)], pixel}
      end)

    [
      text(8, y + 17, "quiet", name),
      rectangle(@left, y, @width - @left - @right, @lane, ~s(class="frame")),
      bars
    ]
  end

  defp bar({begin, duration, name, arguments}, x, y) do
    width = max(x.(begin + duration) - x.(begin), 0.5)
    label = String.slice(name, 0, trunc((width - 6) / @character) |> max(0))

    [
      "<g><title>",
      escape(tip(name, duration, arguments)),
      "</title>",
      rectangle(x.(begin), y, width, @lane, ~s(fill="#{colour(name)}")),
      if(String.length(label) > 2, do: text(x.(begin) + 3, y + 17, "on", label), else: []),
      "</g>\n"
    ]
  end

  defp tip(name, duration, arguments) do
    rate = fn
      %{"bytes" => n} when duration > 0 -> ", #{decimal(n / duration / 1.0e6)} GB/s"
      _ -> ""
    end

    kernel = if arguments["kernel"], do: "\nkernel #{arguments["kernel"]}", else: ""
    source = if arguments["source"], do: "\n#{arguments["source"]}", else: ""
    "#{name}\n#{milliseconds(duration)}#{rate.(arguments)}#{kernel}#{source}"
  end

  defp colour(name) do
    Enum.find_value(@colours, "#be185d", fn {part, colour} ->
      if String.starts_with?(name, part), do: colour
    end)
  end

  # ---- Memory ----

  # In use, and above it what is kept for reuse. A value holds until the next sample.
  defp memory_chart(samples, y, {first, last} = span) do
    most = samples |> Enum.map(fn {_, m} -> m.in_use + m.cached end) |> Enum.max(fn -> 1 end)
    most = max(most, 1)
    in_use = fn m -> m.in_use end
    all = fn m -> m.in_use + m.cached end

    [
      rectangle(@left, y, @width - @left - @right, @chart, ~s(class="frame")),
      area(samples, y, span, most, all, "cached"),
      area(samples, y, span, most, in_use, "use"),
      text(4, y + 12, "quiet", bytes(most)),
      text(4, y + @chart, "quiet", "0"),
      legend(samples, y - 6),
      for(i <- 0..4, do: tick(first + (last - first) * i / 4, y + @chart, span))
    ]
  end

  defp legend([], y), do: text(@left, y, "quiet", "memory: no sample was taken")

  defp legend(samples, y) do
    {_, last} = List.last(samples)
    peak = samples |> Enum.map(fn {_, m} -> m.in_use end) |> Enum.max()

    text(
      @left,
      y,
      "quiet",
      "memory: dark in use (at most #{bytes(peak)} here), light kept for reuse; budget #{bytes(last.budget)}"
    )
  end

  defp area([], _y, _span, _most, _value, _style), do: []

  defp area(samples, y, {_, last} = span, most, value, style) do
    bottom = y + @chart
    height = fn m -> bottom - (@chart - 4) * value.(m) / most end
    ends = Enum.map(tl(samples), &elem(&1, 0)) ++ [last]

    points =
      samples
      |> Enum.zip(ends)
      |> Enum.flat_map(fn {{time, m}, until} ->
        [{place(time, span), height.(m)}, {place(until, span), height.(m)}]
      end)

    {start, _} = hd(points)
    {stop, _} = List.last(points)
    path = Enum.map_join([{start, bottom}] ++ points ++ [{stop, bottom}], " ", &point/1)
    ~s(<polygon class="#{style}" points="#{path}"/>\n)
  end

  defp point({x, y}), do: "#{decimal(x)},#{decimal(y)}"

  defp tick(time, y, span) do
    x = place(time, span)
    anchor = if x > @width - 80, do: "end", else: "start"

    [
      ~s(<line class="grid" x1="#{decimal(x)}" x2="#{decimal(x)}" y1="#{y - @chart}" y2="#{y + 6}"/>),
      ~s(<text class="quiet" x="#{decimal(x)}" y="#{y + 20}" text-anchor="#{anchor}">#{milliseconds(time)}</text>\n)
    ]
  end

  # ---- Parts ----

  defp document(height, body) do
    IO.iodata_to_binary([
      ~s(<svg xmlns="http://www.w3.org/2000/svg" width="#{@width}" height="#{height}" ),
      ~s(viewBox="0 0 #{@width} #{height}"><style>#{@style}</style>\n),
      ~s(<rect width="100%" height="100%" fill="#fff"/>\n),
      body,
      "</svg>\n"
    ])
  end

  defp place(time, {first, last}) do
    share = if last > first, do: (time - first) / (last - first), else: 0.0
    @left + (@width - @left - @right) * min(max(share, 0.0), 1.0)
  end

  defp rectangle(x, y, width, height, rest) do
    ~s(<rect x="#{decimal(x)}" y="#{decimal(y)}" width="#{decimal(width)}" height="#{decimal(height)}" rx="2" #{rest}/>\n)
  end

  defp text(x, y, style, words),
    do: ~s(<text class="#{style}" x="#{decimal(x)}" y="#{y}">#{escape(words)}</text>\n)

  defp escape(words) do
    words
    |> String.replace("&", "&amp;")
    |> String.replace("<", "&lt;")
    |> String.replace(">", "&gt;")
  end

  defp milliseconds(ms) when ms >= 1000, do: "#{decimal(ms / 1000)} s"
  defp milliseconds(ms) when ms >= 1 or ms == 0, do: "#{decimal(ms)} ms"
  defp milliseconds(ms), do: "#{decimal(ms * 1000)} us"

  defp bytes(n) when n >= 1_073_741_824, do: "#{decimal(n / 1_073_741_824)} GiB"
  defp bytes(n) when n >= 1_048_576, do: "#{decimal(n / 1_048_576)} MiB"
  defp bytes(n) when n >= 1024, do: "#{decimal(n / 1024)} KiB"
  defp bytes(n), do: "#{n} B"

  defp decimal(n), do: :erlang.float_to_binary(n / 1, [:compact, decimals: 2])
end
