# make bench: additions beside the BEAM's own loops, and matrix products.
Code.require_file("baselines.exs", __DIR__)
Code.require_file("speed_table.exs", __DIR__)

alias Nx.Vulkan, as: V

:ok = V.init()
IO.puts("Device: #{V.device_name!()}\n")
right? = SpeedTable.run()

IO.puts("\nMatrix products, f32\n\n       n          ms     GFLOP/s")

for n <- [128, 256, 512, 1024] do
  a = V.random_uniform!({n, n}, 1) |> V.eval!()
  b = V.random_uniform!({n, n}, 2) |> V.eval!()
  {ms, _} = SpeedTable.best(3, fn -> a |> V.matmul!(b) |> V.eval!() end)

  [n, Float.round(ms, 3), Float.round(2 * n * n * n / ms / 1.0e6, 1)]
  |> Enum.zip([8, 12, 12])
  |> Enum.map_join(fn {x, width} -> x |> to_string() |> String.pad_leading(width) end)
  |> IO.puts()
end

unless right?, do: exit({:shutdown, 1})
