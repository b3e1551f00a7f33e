defmodule Stress.Edges do
  @moduledoc false
  # Sizes at which something else begins, numbers that are not finite, arguments that make no sense.

  import Stress.Harness, only: [progress: 2]
  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Calls, Native, Operations}

  def all do
    [
      {"edges", "sizes around powers of two and around 65 535 workgroups", &edges/1},
      {"nonfinite", "infinities and NaN through every operation", &nonfinite/1},
      {"absurd", "sizes and handles that make no sense", &absurd/1}
    ]
  end

  # ---- Edges ----

  # What Vulkan lets every device have in one dimension, and how many elements a workgroup may take.
  @groups 65_535
  @of_a_group [32, 64, 128, 256, 1024]

  defp edges(quick?) do
    powers = for k <- 1..if(quick?, do: 14, else: 20), off <- -1..1, n = 2 ** k + off, do: n

    groups =
      for per <- if(quick?, do: [64], else: @of_a_group), off <- -1..1, do: @groups * per + off

    sizes = Enum.uniq(powers ++ groups)

    for {n, i} <- Enum.with_index(sizes) do
      progress(i, length(sizes))
      vector(n)
      if n <= 2 ** 20, do: matrices(n)
    end

    "#{length(sizes)} sizes up to #{Enum.max(sizes)}"
  end

  # All of it is checked on the device, by what is known of the numbers below n, modulo their type.
  defp vector(n) do
    type = if n > 2 ** 24, do: :u8, else: :s32
    numbers = V.iota!({n}, type: type) |> V.eval!()
    both = V.add!(numbers, V.reverse!(numbers)) |> V.eval!()
    last = modulo(n - 1, type)
    expect({n, :both}, extremes(both), {last, last})

    if type == :s32 do
      expect({n, :sum}, V.to_number!(V.sum!(numbers)), modulo(div(n * (n - 1), 2), :s32))
      expect({n, :extremes}, extremes(numbers), {0, n - 1})
      shifted = V.concatenate!([V.slice!(numbers, [n - 1], [1]), numbers])
      expect({n, :joined}, V.to_number!(V.reduce_max!(V.slice!(shifted, [0], [1]))), n - 1)
      scanned = V.call!(:cumulative_sum, [V.full!({n}, 1, type: :s32)])
      expect({n, :scan}, extremes(V.subtract!(scanned, numbers)), {1, 1})
      sorted = V.call!(:sort, [V.reverse!(numbers)])
      expect({n, :sort}, extremes(V.subtract!(sorted, numbers)), {0, 0})
    end
  end

  # n rows of 3 and n columns of 3.
  defp matrices(n) do
    rows = V.iota!({n, 3}, type: :s32)
    want = V.add!(V.multiply!(V.iota!({n}, type: :s32), 9), 3)
    expect({n, :rows}, extremes(V.subtract!(V.sum!(rows, axes: [1]), want)), {0, 0})
    columns = V.transpose!(rows) |> V.eval!()
    expect({n, :columns}, extremes(V.subtract!(V.sum!(columns, axes: [0]), want)), {0, 0})
    ones = V.full!({n, 1}, 1.0)
    product = V.matmul!(V.full!({2, n}, 1.0), ones)
    expect({n, :product}, extremes(product), {n * 1.0, n * 1.0})
  end

  defp extremes(t), do: {V.to_number!(V.reduce_min!(t)), V.to_number!(V.reduce_max!(t))}

  defp modulo(n, :u8), do: rem(n, 256)

  defp modulo(n, :s32) do
    <<wrapped::signed-32>> = <<n::32>>
    wrapped
  end

  # ---- Numbers that are not finite ----

  @special [
    :nan,
    :infinity,
    :neg_infinity,
    0.0,
    -0.0,
    1.0,
    -1.0,
    1.0e-45,
    1.0e-310,
    3.0e38,
    1.0e308
  ]

  # Of floats all operands become special, over and over; answers are values or errors, the same again.
  defp nonfinite(quick?) do
    :rand.seed(:exsss, 1)
    rounds = if quick?, do: 2, else: 10
    calls = Map.to_list(Calls.all())

    counts =
      for i <- 1..rounds,
          {name, {operands, options, _}} <- calls,
          reduce: %{value: 0, error: 0} do
        counts ->
          progress(i, rounds)
          operands = Enum.map(operands, &special/1)
          Map.update!(counts, twice(name, operands, options), &(&1 + 1))
      end

    types = if quick?, do: [:f32], else: [:f32, :f16, :bf16, :f64, :c64]
    elementwise = for type <- types, do: through_elementwise(type)
    expect(:afterwards, V.to_list!(V.add!(V.tensor!([1.0]), 1)), [2.0])

    "#{counts.value} values and #{counts.error} errors of #{length(calls)} operations, " <>
      "#{Enum.sum(elementwise)} of elementwise ones"
  end

  defp special(%V.Tensor{type: type, shape: shape} = t) when type in [:f32, :f64] do
    n = Tuple.product(shape)
    # Of functions' parameters nothing is known but their types.
    if V.to_list(t) |> elem(0) == :ok,
      do: V.reshape!(V.tensor!(for(_ <- 1..n, do: Enum.random(@special)), type: type), shape),
      else: t
  end

  defp special(other), do: other

  defp twice(name, operands, options) do
    [first, again] = for _ <- 1..2, do: bytes(V.call(name, operands, options))
    expect({name, operands}, again, first)
    if match?({:error, _}, first), do: :error, else: :value
  end

  defp bytes({:ok, results}) when is_tuple(results),
    do: results |> Tuple.to_list() |> Enum.map(&bytes({:ok, &1}))

  defp bytes({:ok, t}), do: V.to_binary(t)
  defp bytes({:error, _} = error), do: error

  # Each number with each other.
  defp through_elementwise(type) do
    n = length(@special)
    row = V.tensor!(@special, type: type)
    column = V.reshape!(row, {n, 1})

    unary = for {name, _} <- Operations.unary(), do: {name, [row]}
    binary = for {name, _} <- Operations.binary(), do: {name, [column, row]}
    folds = for {name, _} <- Operations.reductions(), do: {name, [row]}

    for {name, operands} <- unary ++ binary ++ folds, do: twice(name, operands, [])
    length(unary ++ binary ++ folds)
  end

  # ---- Sizes and handles ----

  @edges for power <- [0, 1, 31, 32, 47, 48, 63, 64, 70], off <- [-1, 0, 1], do: 2 ** power + off

  defp absurd(quick?) do
    :rand.seed(:exsss, 2)
    sizes = if quick?, do: 500, else: 5000
    for i <- 1..sizes, do: absurd_size(i, sizes)
    handles = absurd_handles()
    expect(:afterwards, V.to_list!(V.add!(V.tensor!([1]), 1)), [2])
    "#{sizes} sizes and #{handles} handles are answered, and the device lives"
  end

  defp edge, do: Enum.random([1, -1]) * Enum.random(@edges)

  # What can be built of it is read, if it is small; what is large is refused then.
  defp absurd_size(i, n) do
    progress(i, n)
    x = V.tensor!([1.0, 2.0, 3.0])
    [a, b, c] = for _ <- 1..3, do: edge()

    answer =
      Enum.random([
        fn -> V.full({a, b}, 1) end,
        fn -> V.iota({a}) end,
        fn -> V.eye([a, b]) end,
        fn -> V.reshape(x, {a, b}) end,
        fn -> V.broadcast(x, {a, 3}) end,
        fn -> V.slice(x, [a], [b], strides: [c]) end,
        fn -> V.pad(x, 0, [{a, b, c}]) end,
        fn -> V.transpose(x, axes: [a]) end,
        fn -> V.sum(x, axes: [a]) end,
        fn -> V.squeeze(x, axes: [a]) end,
        fn -> V.random_uniform({a}, b) end,
        fn -> V.call(:window_sum, [x], window: [a], strides: [b], dilations: [c]) end,
        fn -> V.call(:fft, [x], length: a) end,
        fn -> V.call(:top_k, [x], k: a) end,
        fn -> V.call(:sort, [x], axis: a) end
      ]).()

    case answer do
      {:error, reason} when is_atom(reason) -> :ok
      {:ok, result} -> read(result)
    end
  end

  defp read(results) when is_tuple(results),
    do: results |> Tuple.to_list() |> Enum.each(&read/1)

  defp read(t) do
    count = Tuple.product(t.shape)

    case V.to_binary(t) do
      {:ok, bytes} -> if bytes == "", do: raise("nothing of #{count} elements")
      {:error, reason} -> if count < 1000, do: raise("#{reason} of #{count} elements")
    end
  end

  # References to nothing, to something else, and to what was given up.
  defp absurd_handles do
    gone = V.tensor!([1.0, 2.0])
    :ok = V.deallocate(gone)
    [engine] = Nx.Vulkan.Device.engines() |> Enum.take(1)
    copied = gone.ref |> :erlang.term_to_binary() |> :erlang.binary_to_term()
    others = [make_ref(), engine, copied, self(), nil, :a, 1, "", [], {gone.ref}]

    for {name, row} <- V.operations(), row.operands != 0 do
      operands = List.duplicate(gone, max(abs(row.operands), 1))

      case V.call(name, operands, []) do
        {:error, _} -> :ok
        {:ok, _} -> raise "#{name} of a tensor that was deallocated answers a value"
      end
    end

    for other <- others, {name, arity, _} <- Native.functions(), refers?(name) do
      arguments = [other | List.duplicate(other, arity - 1)]

      try do
        apply(Native, name, arguments)
      rescue
        ArgumentError -> :ok
      else
        answer when other in [engine, gone.ref, copied] -> answer
        answer -> raise "#{name} of #{inspect(other)} answers #{inspect(answer)}"
      end
    end

    length(others)
  end

  # Functions whose first argument is a tensor.
  defp refers?(name), do: name in ~w(cast reshape transpose reverse squeeze read evaluate pin)a

  defp expect(_what, same, same), do: :ok

  defp expect(what, got, wanted),
    do: raise("#{inspect(what)}: got #{inspect(got)}, expected #{inspect(wanted)}")
end
