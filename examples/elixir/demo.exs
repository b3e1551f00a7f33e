# make demo: a tour of Nx.Vulkan that checks every value it prints.
Code.require_file("png.exs", __DIR__)
Code.require_file("../../bench/baselines.exs", __DIR__)
Code.require_file("../../bench/speed_table.exs", __DIR__)

defmodule Demo do
  alias Nx.Vulkan, as: V

  def run do
    :ok = V.init()
    IO.puts("Device: #{V.device_name!()}")

    results = [arithmetic(), option_price(), fractal(), cache(), speed()] |> List.flatten()
    wrong = Enum.reject(results, & &1)

    if wrong == [] do
      IO.puts("\nEvery value is right.")
    else
      IO.puts("\n#{length(wrong)} values are WRONG.")
      exit({:shutdown, 1})
    end
  end

  defp arithmetic do
    IO.puts("\n-- Arithmetic")
    t = V.tensor!([1.0, 2.0, 3.0, 4.0])
    exp = timed("exp", fn -> V.to_list!(V.exp!(t)) end)

    [
      check("t + t", timed("add", fn -> V.to_list!(V.add!(t, t)) end), [2.0, 4.0, 6.0, 8.0]),
      check("exp(t)", exp, Enum.map(1..4, &:math.exp/1), 1.0e-6),
      check("sum(t)", timed("sum", fn -> V.to_number!(V.sum!(t)) end), 10.0),
      check(
        "[1, -1, 0] / [0, 0, 0]",
        V.to_list!(V.divide!(V.tensor!([1, -1, 0]), V.tensor!([0, 0, 0]))),
        [:infinity, :neg_infinity, :nan]
      )
    ]
  end

  # A European call option: the mean of its discounted payoff over random end prices, against the
  # formula of Black and Scholes.
  defp option_price do
    {price, strike, rate, volatility, years} = {100.0, 105.0, 0.03, 0.2, 1.0}
    paths = 2 ** 22
    IO.puts("\n-- Price of a European call, #{paths} random paths")

    {mean, error} =
      timed("Monte Carlo", fn ->
        drift = (rate - volatility * volatility / 2) * years
        normal = V.random_normal!({paths}, 2024)

        last = normal |> V.multiply!(volatility * :math.sqrt(years)) |> V.add!(drift) |> V.exp!()
        gain = last |> V.multiply!(price) |> V.subtract!(strike) |> V.max!(0.0)
        payoff = V.multiply!(gain, :math.exp(-rate * years))
        mean = V.to_number!(V.sum!(payoff)) / paths
        square = V.to_number!(V.sum!(V.multiply!(payoff, payoff))) / paths
        {mean, :math.sqrt((square - mean * mean) / paths)}
      end)

    deviation = volatility * :math.sqrt(years)

    d1 = (:math.log(price / strike) + (rate + volatility * volatility / 2) * years) / deviation

    exact =
      price * normal_cdf(d1) - strike * :math.exp(-rate * years) * normal_cdf(d1 - deviation)

    IO.puts("Monte Carlo    #{digits(mean)}, standard error #{digits(error)}")
    IO.puts("Black-Scholes  #{digits(exact)}")
    distance = Kernel.abs(mean - exact) / error
    right? = error > 0 and error < 0.02 and distance < 4
    [report("#{digits(distance)} standard errors apart", right?)]
  end

  defp normal_cdf(x), do: 0.5 * :math.erfc(-x / :math.sqrt(2))

  # The Mandelbrot set: z -> z^2 + c for every pixel at once, on the real and the imaginary part.
  defp fractal do
    {width, height, steps} = {768, 640, 60}
    {left, top, size} = {-2.25, 1.25, 2.5}
    IO.puts("\n-- Mandelbrot set, #{width} x #{height}, #{steps} iterations")

    scale = size / height
    shape = {height, width}

    {inside, pixels} =
      timed("fractal", fn ->
        cr = V.iota!(shape, axis: 1, type: :f32) |> V.multiply!(scale) |> V.add!(left)
        ci = V.iota!(shape, axis: 0, type: :f32) |> V.multiply!(-scale) |> V.add!(top)
        zero = V.full!(shape, 0.0)

        {_, _, count} =
          Enum.reduce(1..steps, {zero, zero, zero}, fn _, {zr, zi, count} ->
            rr = V.multiply!(zr, zr)
            ii = V.multiply!(zi, zi)
            alive = V.less_equal!(V.add!(rr, ii), 4.0)
            next_i = zr |> V.multiply!(zi) |> V.multiply!(2.0) |> V.add!(ci)
            {V.add!(V.subtract!(rr, ii), cr), next_i, V.add!(count, alive)}
          end)

        inside = count |> V.equal!(steps * 1.0) |> V.sum!() |> V.to_number!()
        {inside, V.to_binary!(colours(V.divide!(count, steps * 1.0), shape))}
      end)

    # A folder of the user's own: in one that all may write, somebody could have put a link there.
    path = Path.join(:filename.basedir(:user_cache, "nx_vulkan"), "mandelbrot.png")
    File.mkdir_p!(Path.dirname(path))
    PNG.write!(path, pixels, width, height)
    IO.puts("Written to #{path} (#{File.stat!(path).size} bytes)")
    # The set covers 1.5066; after 60 steps a few points near its edge have not left yet.
    area = inside * scale * scale
    [report("area #{digits(area)}, expected about 1.55", area > 1.5 and area < 1.65)]
  end

  # t from 0 to 1 as red, green and blue bytes: black at both ends.
  defp colours(t, {height, width}) do
    u = V.subtract!(1.0, t)
    channel = fn factor, a, b -> V.multiply!(factor, V.multiply!(V.pow!(u, a), V.pow!(t, b))) end

    [channel.(9.0, 1.0, 3.0), channel.(15.0, 2.0, 2.0), channel.(8.5, 3.0, 1.0)]
    |> Enum.map(fn c ->
      c
      |> V.multiply!(255.0)
      |> V.clip!(0.0, 255.0)
      |> V.cast!(:u8)
      |> V.reshape!({height, width, 1})
    end)
    |> V.concatenate!(axis: 2)
  end

  # On a second run the driver finds every pipeline in its cache, or compiles as quickly as it runs.
  defp cache do
    counters = V.counters!()
    IO.puts("\n-- Compilation")

    IO.puts(
      "#{counters.kernels_compiled} kernels in #{digits(counters.compile_milliseconds)} ms, " <>
        "#{counters.cache_hits} of them reported as found in the driver's cache; " <>
        "#{counters.dispatches} kernels run in #{counters.submissions} submissions"
    )

    IO.puts("\n             first, ms   repeat, ms")

    for {name, first, repeat} <- Enum.reverse(Process.get(:times, [])) do
      IO.puts(String.pad_trailing(name, 12) <> column(first) <> column(repeat))
    end

    []
  end

  defp speed do
    IO.puts("\n-- Speed of f32 additions")
    [SpeedTable.run()]
  end

  # Runs twice and answers the second result: the first run compiles.
  defp timed(name, fun) do
    [{first, _}, {repeat, result}] = for _ <- 1..2, do: SpeedTable.best(1, fun)
    Process.put(:times, [{name, first, repeat} | Process.get(:times, [])])
    result
  end

  defp check(name, got, expected, tolerance \\ 0) do
    close? = fn
      g, e when is_number(g) and is_number(e) -> Kernel.abs(g - e) <= tolerance * Kernel.abs(e)
      g, e -> g == e
    end

    pairs = Enum.zip(List.wrap(got), List.wrap(expected))

    right? =
      length(List.wrap(got)) == length(pairs) and Enum.all?(pairs, fn {g, e} -> close?.(g, e) end)

    report("#{name} = #{inspect(got)}", right?)
  end

  defp report(text, true), do: IO.puts("  ok     " <> text) == :ok
  defp report(text, false), do: IO.puts("  WRONG  " <> text) != :ok

  defp digits(x), do: :erlang.float_to_binary(x * 1.0, decimals: 4)
  defp column(ms), do: ms |> :erlang.float_to_binary(decimals: 2) |> String.pad_leading(12)
end

Demo.run()
