defmodule Stress.Sections do
  @moduledoc false

  import Stress.Harness, only: [progress: 2]
  alias Nx.Vulkan, as: V

  @mebibyte 262_144

  def all do
    [
      {"race", "100 processes compute and read at once", &race/1},
      {"tiny", "50 000 tiny tensors, alive together", &tiny/1},
      {"sizes", "results at sizes around the widths of kernels", &sizes/1},
      {"special", "division by zero, logarithms and roots of negative numbers", &special/1},
      {"shapes", "shapes that do not fit", &shapes/1},
      {"empty", "tensors without elements", &empty/1},
      {"scale", "sizes doubled until the memory budget answers, and then a small one", &scale/1},
      {"matmul", "matrix products of growing size", &matmul/1},
      {"churn", "cycles of upload, compute, read and drop, 1 MiB each", &churn/1},
      {"garbage", "tensors of 1 MiB dropped without a collection", &garbage/1},
      {"kill", "200 processes with 10 MiB each, killed while they read", &kill/1}
    ]
  end

  defp race(quick?) do
    rounds = if quick?, do: 200, else: 1000
    start = System.monotonic_time()

    1..100
    |> Task.async_stream(
      fn p ->
        for i <- 1..rounds do
          t = V.tensor!([p * 1.0, i * 1.0])
          got = t |> V.multiply!(2) |> V.add!(t) |> V.to_list!()
          expect(got, [3.0 * p, 3.0 * i])
        end
      end,
      max_concurrency: 100,
      timeout: :infinity,
      ordered: false
    )
    |> Stream.with_index(1)
    |> Enum.each(fn {{:ok, _}, done} -> progress(done, 100) end)

    seconds = seconds_since(start)
    "#{100 * rounds} right results, #{round(3 * 100 * rounds / seconds)} operations a second"
  end

  defp tiny(_quick?) do
    n = 50_000

    tensors =
      for i <- 1..n do
        progress(i, n)
        V.tensor!([i])
      end

    for {t, i} <- Enum.with_index(tensors, 1), rem(i, 100) == 0, do: expect(V.to_list!(t), [i])

    total =
      tensors
      |> Enum.chunk_every(1000)
      |> Enum.map(fn part -> part |> Enum.reduce(&V.add!/2) |> V.to_list!() |> hd() end)
      |> Enum.sum()

    expect(total, div(n * (n + 1), 2))
    "#{n} tensors, summed through graphs of 1000 additions"
  end

  defp sizes(_quick?) do
    sizes = [255, 256, 257, 511, 512, 513, 1023, 1024, 1025]

    for n <- sizes do
      values = Enum.map(1..n, &(&1 * 0.5))
      t = V.tensor!(values)
      expect(V.to_list!(V.add!(t, t)), Enum.map(values, &(2 * &1)))
      expect(V.to_number!(V.sum!(t)), Enum.sum(values))
      expect(V.to_number!(V.reduce_max!(t)), n * 0.5)
      expect(V.to_list!(V.reverse!(t)), Enum.reverse(values))

      square = V.broadcast!(t, {3, n})
      expect(V.to_list!(V.sum!(square, axes: [0])), Enum.map(values, &(3 * &1)))
      expect(V.to_list!(V.sum!(square, axes: [1])), List.duplicate(Enum.sum(values), 3))
    end

    "N = #{Enum.join(sizes, ", ")}"
  end

  defp special(_quick?) do
    zero = V.tensor!([1.0, -1.0, 0.0])
    expect(V.to_list!(V.divide!(zero, 0.0)), [:infinity, :neg_infinity, :nan])
    expect(V.to_list!(V.log!(V.tensor!([-1.0, 0.0, 1.0]))), [:nan, :neg_infinity, 0.0])
    expect(V.to_list!(V.sqrt!(V.tensor!([-1.0, 4.0]))), [:nan, 2.0])
    expect(V.to_list!(V.exp!(V.tensor!([1000.0, -1000.0]))), [:infinity, 0.0])
    infinity = V.tensor!([:infinity])
    expect(V.to_list!(V.subtract!(infinity, infinity)), [:nan])
    expect(V.to_list!(V.multiply!(infinity, 0)), [:nan])
    expect(V.to_list!(V.max!(V.tensor!([:nan, 1.0]), 0.0)), [:nan, 1.0])

    case V.to_list(V.quotient!(V.tensor!([1, 2]), V.tensor!([1, 0]))) do
      {:error, :arithmetic} -> :ok
      other -> raise "an integer division by zero answers #{inspect(other)}"
    end

    expect(V.to_list!(V.add!(V.tensor!([1]), 1)), [2])
    "infinities and NaN where IEEE 754 has them, an error for integers, and the device lives"
  end

  defp shapes(_quick?) do
    a = V.iota!({2, 3})
    b = V.iota!({4})

    wrong = [
      V.add(a, b),
      V.matmul(a, a),
      V.reshape(a, {7}),
      V.concatenate([a, b]),
      V.broadcast(b, {3}),
      V.transpose(a, axes: [0, 0]),
      V.slice(a, [0, 0], [3, 3]),
      V.sum(a, axes: [5]),
      V.squeeze(a, axes: [0]),
      V.dot(a, b),
      V.from_binary(<<1, 2, 3>>, {2}, :f32),
      V.tensor([1, 2, 3], shape: {2, 2}),
      V.tensor([[1], [2, 3]])
    ]

    for {answer, i} <- Enum.with_index(wrong) do
      unless match?({:error, r} when r in [:size_mismatch, :invalid_argument], answer) do
        raise "mistake number #{i} answers #{inspect(answer)}"
      end
    end

    expect(V.to_list!(V.add!(b, b)), [0, 2, 4, 6])
    "#{length(wrong)} mistakes, #{length(wrong)} errors, and the device lives"
  end

  defp empty(_quick?) do
    for answer <- [
          V.tensor([]),
          V.tensor([[]]),
          V.from_binary(<<>>, {0}, :f32),
          V.iota({0}),
          V.full({2, 0}, 1),
          V.reshape(V.iota!({2}), {0, 2})
        ] do
      expect(answer, {:error, :empty_tensor})
    end

    "answered with :empty_tensor"
  end

  defp scale(_quick?) do
    largest = grow(@mebibyte)
    expect(V.to_list!(V.add!(V.tensor!([1.0, 2.0]), 1.0)), [2.0, 3.0])
    "refused beyond #{div(4 * largest, 1_048_576)} MiB, and the device lives"
  end

  defp grow(n) do
    result =
      with {:ok, t} <- V.iota({n}, type: :f32),
           {:ok, t} <- V.add(t, 0.5),
           {:ok, t} <- V.eval(t) do
        V.deallocate(t)
      end

    case result do
      :ok -> grow(2 * n)
      {:error, :alloc_failed} -> div(n, 2)
    end
  end

  defp matmul(quick?) do
    sizes = if quick?, do: [128, 256, 512], else: [128, 256, 512, 1024, 2048]

    for n <- sizes, reduce: "" do
      text ->
        a = V.random_uniform!({n, n}, 1, low: -1.0) |> V.eval!()
        b = V.random_uniform!({n, n}, 2, low: -1.0) |> V.eval!()
        V.eval!(V.matmul!(a, b))
        start = System.monotonic_time()
        c = V.eval!(V.matmul!(a, b))
        gflops = 2 * n * n * n / seconds_since(start) / 1.0e9

        for {i, j} <- [{0, 0}, {n - 1, 0}, {div(n, 3), div(n, 2)}, {n - 1, n - 1}] do
          row = V.slice!(a, [i, 0], [1, n]) |> V.reshape!({n}) |> V.to_list!()
          column = V.slice!(b, [0, j], [n, 1]) |> V.reshape!({n}) |> V.to_list!()
          want = Enum.zip_with(row, column, &*/2) |> Enum.sum()
          [[got]] = V.slice!(c, [i, j], [1, 1]) |> V.to_list!()

          if abs(got - want) > 1.0e-5 * n,
            do: raise("#{n}: element #{i}, #{j} is #{got}, not #{want}")
        end

        "#{text}#{n}: #{Float.round(gflops, 1)}  "
    end
    |> then(&("GFLOP/s at " <> String.trim_trailing(&1)))
  end

  defp churn(quick?) do
    cycles = if quick?, do: 1000, else: 6000
    bytes = for i <- 1..@mebibyte, into: <<>>, do: <<i::float-little-32>>
    start = System.monotonic_time()

    for i <- 1..cycles do
      progress(i, cycles)
      t = V.from_binary!(bytes, {@mebibyte}, :f32)
      got = t |> V.multiply!(2) |> V.to_binary!()
      <<first::float-little-32, _::binary>> = got
      expect({first, byte_size(got)}, {2.0, 4 * @mebibyte})
    end

    "#{cycles} cycles, #{round(cycles / seconds_since(start))} MiB a second in and out"
  end

  defp garbage(quick?) do
    n = if quick?, do: 10_000, else: 100_000
    base = V.iota!({@mebibyte}, type: :f32) |> V.eval!()

    # The peak that the device reports is that of all sections so far.
    most =
      Enum.reduce(1..n, 0, fn i, most ->
        progress(i, n)
        base |> V.add!(i) |> V.eval!()
        if rem(i, 50) == 0, do: max(most, V.memory_stats!().in_use), else: most
      end)

    budget = V.memory_stats!().budget
    if 2 * most > budget, do: raise("#{most} bytes in use are over half the budget of #{budget}")
    "#{n} tensors, at most #{div(most, 1_048_576)} MiB in use"
  end

  defp kill(_quick?) do
    bytes = :binary.copy(<<0, 0, 128, 63>>, 10 * @mebibyte)
    section = self()

    # Ten at a time: more would not fit the budget.
    for wave <- 1..20 do
      progress(wave, 20)
      victims = for _ <- 1..10, do: spawn_monitor(fn -> be_reading(bytes, section) end)

      for {{pid, monitor}, i} <- Enum.with_index(victims) do
        receive do
          {:reading, ^pid} -> :ok
          {:DOWN, ^monitor, _, _, reason} -> raise "a process died by itself: #{inspect(reason)}"
        end

        if rem(i, 2) == 0, do: Process.sleep(1)
        Process.exit(pid, :kill)
        receive do: ({:DOWN, ^monitor, _, _, :killed} -> :ok)
      end
    end

    expect(V.to_list!(V.add!(V.tensor!([1.0]), 1.0)), [2.0])
    "200 processes killed, and the device lives"
  end

  # What the wave before held may still be on its way to be freed.
  defp be_reading(bytes, section, tries \\ 100) do
    with {:ok, t} <- V.from_binary(bytes, {10 * @mebibyte}, :f32),
         {:ok, t} <- V.eval(t) do
      for _ <- 1..3, do: Nx.Vulkan.Native.read(t.ref, -1, make_ref())
      send(section, {:reading, self()})
      Process.sleep(:infinity)
    else
      {:error, :alloc_failed} when tries > 0 ->
        Process.sleep(10)
        be_reading(bytes, section, tries - 1)
    end
  end

  defp expect(same, same), do: :ok
  defp expect(got, wanted), do: raise("got #{inspect(got)}, expected #{inspect(wanted)}")

  defp seconds_since(start) do
    System.convert_time_unit(System.monotonic_time() - start, :native, :microsecond) / 1.0e6
  end
end
