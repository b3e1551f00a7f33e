defmodule Digits.Plot do
  @moduledoc false
  # A curve as a PNG: values over their index, on a logarithmic scale with a line at each decade.

  @width 720
  @height 400
  @margin 20

  @background <<255, 255, 255>>
  @line <<200, 200, 200>>
  @point <<190, 205, 235>>
  @curve <<30, 70, 160>>

  def write(values, path) do
    logs = Enum.map(values, &:math.log10(max(&1, 1.0e-6)))
    {low, high} = {Float.floor(Enum.min(logs)), Float.ceil(Enum.max(logs))}
    last = max(length(logs) - 1, 1)

    x = fn i -> @margin + round(i / last * (@width - 2 * @margin - 1)) end

    y = fn log ->
      @margin + round((high - log) / max(high - low, 1) * (@height - 2 * @margin - 1))
    end

    decades =
      for log <- trunc(low)..trunc(high), i <- @margin..(@width - @margin - 1), do: {i, y.(log)}

    points = logs |> Enum.with_index() |> Enum.map(fn {log, i} -> {x.(i), y.(log)} end)

    curve =
      logs
      |> smooth()
      |> Enum.with_index()
      |> Enum.map(fn {log, i} -> {x.(i), y.(log)} end)
      |> Enum.chunk_every(2, 1, :discard)
      |> Enum.flat_map(fn [from, to] -> segment(from, to) end)

    colours =
      [{decades, @line}, {points, @point}, {curve, @curve}]
      |> Enum.flat_map(fn {pixels, colour} -> Enum.map(pixels, &{&1, colour}) end)
      |> Map.new()

    pixels =
      for row <- 0..(@height - 1), column <- 0..(@width - 1), into: <<>> do
        Map.get(colours, {column, row}, @background)
      end

    PNG.write!(path, pixels, @width, @height)
  end

  # Exponential mean.
  defp smooth([first | _] = values) do
    {smooth, _} =
      Enum.map_reduce(values, first, fn v, mean ->
        {0.9 * mean + 0.1 * v, 0.9 * mean + 0.1 * v}
      end)

    smooth
  end

  # Two pixels thick.
  defp segment({x0, y0}, {x1, y1}) do
    steps = Enum.max([abs(x1 - x0), abs(y1 - y0), 1])

    for i <- 0..steps, below <- 0..1 do
      {x0 + round(i * (x1 - x0) / steps), y0 + round(i * (y1 - y0) / steps) + below}
    end
  end
end
