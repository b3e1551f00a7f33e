defmodule SpeedTable do
  @moduledoc false
  # f32 additions of N elements: on the device beside the loops of Baselines, and Nx when it is there.

  alias Nx.Vulkan, as: V

  @sizes [1024, 16_384, 262_144, 1_048_576, 4_194_304]

  @doc "Prints the table row by row; answers whether every result was right."
  def run(sizes \\ @sizes) do
    IO.puts("""
    Milliseconds; "device" computes and waits, "with read" also copies the result to the BEAM.

           N   BEAM loop   BEAM fast      device   with read |  loop/device  fast/device#{nx_title()}
    """)

    Enum.map(sizes, &row/1) |> Enum.all?()
  end

  defp row(n) do
    bytes = for i <- 1..n, into: <<>>, do: <<rem(i, 1000) * 0.25::float-little-32>>
    a = V.from_binary!(bytes, {n}, :f32) |> V.eval!()
    b = V.from_binary!(bytes, {n}, :f32) |> V.eval!()

    # One run of what takes seconds, the best of several of what does not.
    {loop, expected} =
      best(if(n > 500_000, do: 1, else: 3), fn -> Baselines.generic(bytes, bytes) end)

    {fast, ^expected} = best(3, fn -> Baselines.fast(bytes, bytes) end)
    {device, _} = best(20, fn -> a |> V.add!(b) |> V.eval!() end)
    {read, got} = best(5, fn -> a |> V.add!(b) |> V.to_binary!() end)

    IO.puts(
      pad(n, 8) <>
        Enum.map_join([loop, fast, device, read], &number/1) <>
        " |" <>
        pad(ratio(loop, device), 13) <> pad(ratio(fast, device), 13) <> nx(n, bytes, device)
    )

    got == expected || IO.puts("WRONG: the sums of #{n} elements differ") == :wrong
  end

  @doc "{milliseconds, result}: the shortest of `times` runs."
  def best(times, fun) do
    1..times
    |> Enum.map(fn _ ->
      :erlang.garbage_collect()
      start = System.monotonic_time()
      result = fun.()
      {elapsed(start), result}
    end)
    |> Enum.min_by(&elem(&1, 0))
  end

  def elapsed(start) do
    System.convert_time_unit(System.monotonic_time() - start, :native, :nanosecond) / 1.0e6
  end

  if Code.ensure_loaded?(Nx.BinaryBackend) do
    defp nx_title, do: "     Nx itself"

    defp nx(n, bytes, device) when n <= 1_048_576 do
      t = apply(Nx, :from_binary, [bytes, :f32, [backend: Nx.BinaryBackend]])
      {time, _} = best(1, fn -> apply(Nx, :add, [t, t]) end)
      number(time) <> pad(ratio(time, device), 10)
    end

    defp nx(_n, _bytes, _device), do: ""
  else
    defp nx_title, do: ""
    defp nx(_n, _bytes, _device), do: ""
  end

  defp number(ms), do: pad(:erlang.float_to_binary(ms, decimals: 3), 12)
  defp ratio(a, b), do: :erlang.float_to_binary(a / b, decimals: 1) <> "x"
  defp pad(x, width), do: x |> to_string() |> String.pad_leading(width)
end
