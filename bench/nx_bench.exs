# Nx.Vulkan.Backend beside Nx.BinaryBackend, on the same tensors in one run:
#
#     NXV_NX=... mix run bench/nx_bench.exs [--quick]
#
# Milliseconds are the best of several runs of what takes little time, and of one run of what takes
# seconds. A run of the device ends when the result is computed; every result is compared.
defmodule NxBench do
  import Nx.Defn

  alias Nx.{BinaryBackend, Vulkan}

  @row [24, 14, 14, 12]

  def run(quick?) do
    Nx.global_default_backend(BinaryBackend)
    :ok = Vulkan.init()
    IO.puts("Device: #{Vulkan.device_name!()}\n")
    row(["", "BinaryBackend", "Vulkan", "ratio"])

    adds = for n <- [1024, 16_384, 262_144, 1_048_576, 4_194_304], do: add(n, quick?)
    others = [matmul(), sort(), conv(), qr()]
    eager = eager()
    loop = loop()

    unless Enum.all?(adds ++ others ++ [eager, loop]) do
      exit({:shutdown, 1})
    end
  end

  defp add(n, quick?) do
    unless quick? and n > 1_048_576 do
      a = Nx.iota({n}, type: :f32) |> Nx.remainder(1000) |> Nx.multiply(0.25)
      at_least = if n == 1_048_576, do: 300, else: 0
      compare("add #{n}", [a, a], &Nx.add/2, 0.0, at_least)
    else
      true
    end
  end

  defp matmul do
    {a, b} = {random({256, 256}, 1), random({256, 256}, 2)}
    compare("dot 256x256", [a, b], &Nx.dot/2, 1.0e-5)
  end

  defp sort, do: compare("sort 100000", [random({100_000}, 3)], &Nx.sort/1, 0.0)

  defp conv do
    {images, kernel} = {random({8, 3, 64, 64}, 4), random({8, 3, 3, 3}, 5)}
    compare("conv 3x3, 8x3x64x64", [images, kernel], &Nx.conv/2, 1.0e-5)
  end

  # Factors are unique up to signs: their product is compared.
  defp qr do
    product = fn a ->
      {q, r} = Nx.LinAlg.qr(a)
      Nx.dot(q, r)
    end

    compare("LinAlg.qr 64", [random({64, 64}, 6)], product, 1.0e-4)
  end

  # Chained additions, one at a time, with the final read.
  defp eager do
    t = Nx.broadcast(Nx.tensor(1.0, backend: Vulkan.Backend), {1024}) |> Nx.add(0.0)
    Nx.to_binary(t)
    chain = fn -> Enum.reduce(1..1000, t, fn _, sum -> Nx.add(sum, t) end) |> Nx.to_binary() end
    {ms, <<sum::float-little-32, _::binary>>} = best(10, chain)

    IO.puts(
      "\n1000 dependent additions of 1024 elements, eager: #{decimals(ms, 2)} us each, read included"
    )

    sum == 1001.0 and ms <= 5.0
  end

  # As many rounds as the data says. Nx.Defn.Evaluator reads the condition in each of them.
  defn until(x, limit) do
    {x, _} =
      while {x, limit}, Nx.sum(x) < limit do
        {x + 0.5, limit}
      end

    x
  end

  defp loop do
    rounds = 10_000
    x = Nx.broadcast(Nx.tensor(0.0, backend: Vulkan.Backend), {2})
    limit = Nx.tensor(rounds * 1.0, backend: Vulkan.Backend)

    [compiled, evaluated] =
      for {compiler, runs} <- [{Nx.Vulkan, 5}, {Nx.Defn.Evaluator, 2}] do
        fun = Nx.Defn.jit(&until/2, compiler: compiler)
        {ms, _} = best(runs, fn -> x |> fun.(limit) |> Nx.to_binary() end)
        ms
      end

    ratio = evaluated / compiled

    IO.puts(
      "A while of #{rounds} rounds that the data ends: #{decimals(compiled, 1)} ms; " <>
        "with a read each round #{decimals(evaluated, 1)} ms, #{decimals(ratio, 0)}x"
    )

    ratio >= 20 or IO.puts("  SLOW: 20x was asked for") == :slow
  end

  defp compare(name, args, fun, tolerance, at_least \\ 0) do
    on_device = Enum.map(args, &Nx.backend_copy(&1, Vulkan.Backend))
    {host, want} = best(1, fn -> apply(fun, args) end)
    runs = if host > 1000, do: 10, else: 30
    {device, got} = best(runs, fn -> evaluated(apply(fun, on_device)) end)
    host = if host < 300, do: best(3, fn -> apply(fun, args) end) |> elem(0), else: host

    ratio = host / device
    row([name, decimals(host, 3), decimals(device, 3), decimals(ratio, 0) <> "x"])

    got = Nx.backend_copy(got, BinaryBackend)
    error = Nx.divide(Nx.abs(Nx.subtract(got, want)), Nx.add(Nx.abs(want), 1))
    error = error |> Nx.reduce_max() |> Nx.to_number()
    if error > tolerance, do: IO.puts("  WRONG: differs by #{error}, #{tolerance} allowed")
    if ratio < at_least, do: IO.puts("  SLOW: #{at_least}x was asked for")
    error <= tolerance and ratio >= at_least
  end

  # Waits for the result without copying it: one element is read.
  defp evaluated(t) do
    %{type: type, shape: shape, data: %{ref: ref, engine: engine}} = t
    Vulkan.eval!(%Vulkan.Tensor{ref: ref, type: type, shape: shape, engine: engine})
    t
  end

  defp random(shape, seed) do
    {t, _} = Nx.Random.uniform(Nx.Random.key(seed), shape: shape)
    t
  end

  defp best(runs, fun) do
    results = for _ <- 1..runs, do: :timer.tc(fun)
    {microseconds, result} = Enum.min_by(results, &elem(&1, 0))
    {microseconds / 1000, result}
  end

  defp decimals(x, n), do: :erlang.float_to_binary(x / 1, decimals: n)

  defp row(cells) do
    cells
    |> Enum.zip_with(@row, &String.pad_leading/2)
    |> Enum.join()
    |> IO.puts()
  end
end

NxBench.run("--quick" in System.argv())
