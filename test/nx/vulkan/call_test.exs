defmodule Nx.Vulkan.CallTest do
  use ExUnit.Case, async: true
  @moduletag :device

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Native, Operations}

  @convolution [strides: {1, 1}, low: [0, 0], high: [0, 0]] ++
                 [input_dilation: [1, 1], kernel_dilation: [1, 1]] ++
                 [feature_group_size: 1, batch_group_size: 1] ++
                 Enum.map(
                   [:input_permutation, :kernel_permutation, :output_permutation],
                   &{&1, [0, 1, 2, 3]}
                 )

  # Of each operation a call, and what it answers: nested lists of what `simple/1` makes of it.
  defp cases do
    x = V.tensor!([[3, 1, 2], [9, 7, 8]])
    square = V.tensor!([[4.0, 2.0], [2.0, 5.0]])
    line = V.tensor!([1.0, 2.0, 3.0, 4.0])
    [p, q] = for _ <- 1..2, do: V.call!(:parameter, [], type: :f32)
    body = V.add!(V.multiply!(q, 2), p)
    zeros = for length <- 1..2, do: V.full!({1, 1, length, 2}, 0.0)
    ones = V.full!({1, 1, 1, 2}, 1.0)
    values = V.tensor!([[[[1.0, 2.0], [3.0, 6.0]]]])
    inside = Enum.map(zeros ++ [values], &V.transpose!(&1, axes: [0, 2, 1, 3]))
    image = V.reshape!(V.iota!({9}, type: :f32), {1, 1, 3, 3})

    %{
      bitcast: {[V.tensor!([1.0])], [type: :u32], [0x3F800000]},
      gather: {[x, V.tensor!([[1], [0]])], [axes: [1]], [[1, 7], [3, 9]]},
      take: {[x, V.tensor!([2, 0])], [axis: 1], [[2, 3], [8, 9]]},
      take_along_axis: {[x, V.tensor!([[1], [0]])], [axis: -1], [[1], [9]]},
      indexed_add: {[line, V.tensor!([[1], [1]]), V.tensor!([1.0, 2.0])], [], [1, 5, 3, 4]},
      indexed_put: {[line, V.tensor!([[1], [1]]), V.tensor!([8.0, 9.0])], [], [1, 9, 3, 4]},
      slice_at: {[x, 1, 5], [lengths: [1, 2], strides: nil], [[7, 8]]},
      put_slice: {[line, V.tensor!([7.0, 8.0]), 2], [], [1, 2, 7, 8]},
      conv: {[image, V.full!({1, 1, 2, 2}, 1.0)], @convolution, [[[[8, 12], [20, 24]]]]},
      window_scatter_max:
        {[line, V.tensor!([5.0, 6.0]), 0.0], [window: [2], strides: [2]], [0, 5, 0, 6]},
      window_scatter_min:
        {[line, V.tensor!([5.0, 6.0]), 0.0], [window: [2], strides: [2]], [5, 0, 6, 0]},
      argmax: {[x], [axis: 1, keep_axis: true, tie_high: true, type: :u8], [[0], [0]]},
      argmin: {[x], [], [1]},
      reduce: {[line, 0.0, p, q, body], [axes: [0], keep_axes: true], [26]},
      window_reduce: {[line, 0.0, p, q, body], [window: [2], low: [1], high: [0]], [1, 4, 7, 10]},
      window_sum: {[line], [window: [2], dilations: [2]], [4, 6]},
      window_product: {[line], [window: 2], [2, 6, 12]},
      window_max: {[line], [window: {2}, low: [-1]], [3, 4]},
      window_min: {[line], [window: [2], strides: [2]], [1, 3]},
      cumulative_sum: {[x], [axis: 1], [[3, 4, 6], [9, 16, 24]]},
      cumulative_product: {[line], [reverse: true], [24, 24, 12, 4]},
      cumulative_max: {[x], [axis: 1], [[3, 3, 3], [9, 9, 9]]},
      cumulative_min: {[x], [axis: 1], [[3, 1, 1], [9, 7, 7]]},
      sort: {[x], [axis: 1, descending: true], [[3, 2, 1], [9, 8, 7]]},
      argsort: {[x], [axis: 1, type: {:u, 8}], [[1, 2, 0], [1, 2, 0]]},
      top_k: {[line], [k: 2], {[4, 3], [3, 2]}},
      fft: {[line], [length: 2, eps: 1.0e-5], [{3, 0}, {-1, 0}]},
      ifft: {[line], [axis: 0], [{2.5, 0}, {-0.5, -0.5}, {-0.5, 0}, {-0.5, 0.5}]},
      fft2: {[square], [axes: [0, 1]], [[{13, 0}, {-1, 0}], [{-1, 0}, {5, 0}]]},
      ifft2: {[square], [lengths: [1, 2]], [[{3, 0}, {1, 0}]]},
      rfft: {[line], [], [{10, 0}, {-2, 2}, {-2, 0}]},
      irfft: {[V.tensor!([10.0, {-2.0, 2.0}, -2.0])], [length: 4], [1, 2, 3, 4]},
      triangular_solve:
        {[square, V.tensor!([4.0, 7.0])], [lower: true, left_side: true, transform: 0], [1, 1]},
      cholesky: {[square], [], [[2, 0], [1, 2]]},
      lu: {[square], [], {[[1, 0], [0, 1]], [[1, 0], [0.5, 1]], [[4, 2], [0, 4]]}},
      qr: {[V.eye!(2, type: :f32)], [complete: true], {[[1, 0], [0, 1]], [[1, 0], [0, 1]]}},
      eigh: {[V.tensor!([[3.0, 0.0], [0.0, 2.0]])], [], {[3, 2], [[1, 0], [0, 1]]}},
      svd: {[V.tensor!([[2.0]])], [full_matrices: false], {[[1]], [2], [[1]]}},
      solve: {[square, V.tensor!([6.0, 7.0])], [], [1, 1]},
      determinant: {[square], [], [16]},
      invert: {[V.tensor!([[2.0, 0.0], [0.0, 4.0]])], [], [[0.5, 0], [0, 0.25]]},
      attention:
        {inside ++
           [V.tensor!([1, 1]), V.tensor!([0.0, 0.0]), V.tensor!([2]), V.tensor!([1])] ++
           [V.tensor!([-1.0e9])],
         [mask: true, bias: true, lengths: true, offsets: true, sinks: true, heads_axis: 2] ++
           [scale: 0.5, soft_cap: 1.0, masked: -1.0, causal: true, window: 2, offset: 0] ++
           [statistics: true], {[[[[2, 4]]]], [[[0.6931]]]}},
      attention_gradient:
        {zeros ++ [values, V.tensor!([[[[2.0, 4.0]]]]), V.tensor!([[[0.6931472]]]), ones],
         [causal: true], {[[[[0, 0]]]], [[[[0, 0], [0, 0]]]], [[[[0.5, 0.5], [0.5, 0.5]]]]}},
      all_close: {[line, V.add!(line, 0.5)], [atol: 1, rtol: 0.0, equal_nan: true], [1]},
      cast: {[line], [type: :s32], [1, 2, 3, 4]},
      reshape: {[x], [shape: {3, 2}], [[3, 1], [2, 9], [7, 8]]},
      broadcast: {[V.tensor!([1, 2])], [shape: {2, 2}, axes: [0]], [[1, 1], [2, 2]]},
      transpose: {[square], [axes: [1, 0]], [[4, 2], [2, 5]]},
      slice: {[line], [starts: [1], lengths: [3], strides: [2]], [2, 4]},
      reverse: {[x], [axes: [1]], [[2, 1, 3], [8, 7, 9]]},
      squeeze: {[V.tensor!([[1, 2]])], [axes: [0]], [1, 2]},
      pad: {[line, 0], [low: [1], high: [-2], interior: nil], [0, 1, 2]},
      concatenate: {[line, V.tensor!([5.0])], [axis: 0], [1, 2, 3, 4, 5]},
      dot: {[line, line], [contract_a: [0], contract_b: [0], batch_a: [], batch_b: []], [30]},
      matmul: {[square, square], [precision: :fast], [[20, 18], [18, 29]]},
      constant: {[], [value: {1, :infinity}, type: :c64, shape: {1}], [{1, :infinity}]},
      iota: {[], [shape: {2, 2}, axis: 1, type: :f64], [[0, 1], [0, 1]]},
      eye: {[], [shape: {2, 2}, type: :u8], [[1, 0], [0, 1]]},
      select: {[V.tensor!([1, 0]), 10, 2.5], [], [10, 2.5]},
      clip: {[line, 2, 3], [], [2, 2, 3, 3]}
    }
  end

  # Floats that are whole as integers, for they compare equal with them.
  defp simple(tuple) when is_tuple(tuple),
    do: tuple |> Tuple.to_list() |> Enum.map(&simple/1) |> List.to_tuple()

  defp simple(list) when is_list(list), do: Enum.map(list, &simple/1)
  defp simple(x) when is_float(x), do: Float.round(x, 4)
  defp simple(x), do: x

  defp answer(%V.Tensor{} = tensor), do: simple(V.to_list!(tensor))
  defp answer(tuple), do: tuple |> Tuple.to_list() |> Enum.map(&answer/1) |> List.to_tuple()

  # What stands elsewhere: functions of Nx.Vulkan of one, two, and one operand.
  @elsewhere Keyword.keys(Operations.unary() ++ Operations.binary() ++ Operations.reductions()) ++
               [:random_uniform, :random_normal, :parameter]

  test "every operation of the table computes" do
    cases = cases()
    assert Enum.sort(Map.keys(cases) ++ @elsewhere) == Enum.sort(Map.keys(V.operations()))

    for {name, {operands, options, expected}} <- cases do
      assert {name, answer(V.call!(name, operands, options)) == expected} == {name, true},
             "#{name}: #{inspect(answer(V.call!(name, operands, options)))}"
    end
  end

  test "every option of the table is given" do
    given = for {_, {_, options, _}} <- cases(), {option, _} <- options, do: option
    options = for {_, row} <- V.operations(), {option, _} <- row.options, do: option
    random = ~w(seed offset low high mean deviation)a
    assert Enum.uniq(options) -- (given ++ random) == []
  end

  test "elementwise operations and reductions are those of their functions" do
    integers = V.tensor!([[5, 2], [3, 1]])

    for {name, _} <- Operations.unary(), do: same(name, [integers])

    for {name, _} <- Operations.binary(),
        operand <- [integers, 2],
        do: same(name, [integers, operand])

    for {name, _} <- Operations.reductions() do
      for options <- [[], [axes: [1], keep_axes: true]] do
        assert V.to_list(V.call!(name, [integers], options)) ==
                 V.to_list(apply(V, :"#{name}!", [integers, options]))
      end
    end

    half = V.tensor!([0.1], type: :f16)
    assert V.to_list!(V.call!(:equal, [half, 0.1])) == V.to_list!(V.equal!(half, 0.1))
  end

  defp same(name, operands) do
    assert {name, result(V.call(name, operands))} == {name, result(apply(V, name, operands))}
  end

  defp result({:ok, tensor}), do: {V.type(tensor), V.to_list(tensor)}
  defp result(error), do: error

  test "random numbers are those of their functions" do
    for name <- [:random_uniform, :random_normal], seed <- [1, 0xFFFFFFFFFFFFFFFF] do
      {:ok, expected} = apply(V, name, [{5}, seed, [offset: 3, type: :f64]])
      got = V.call!(name, [], shape: {5}, seed: seed, offset: 3, type: :f64)
      assert V.to_list(got) == V.to_list(expected)
    end

    uniform = V.call!(:random_uniform, [], shape: 3, seed: 1, low: 5, high: 6.0)
    assert Enum.all?(V.to_list!(uniform), &(&1 >= 5 and &1 < 6))
    normal = V.call!(:random_normal, [], shape: 3, seed: 1, mean: 100, deviation: 0.0)
    assert V.to_list!(normal) == [100.0, 100.0, 100.0]
  end

  test "what the op table has, callers reach" do
    inner =
      ~w(data argument bounded_index windows scatter_add last_update last_slot overwrite fold scan loop branch result)a

    ops = for {name, _, _} <- Native.ops(), do: name
    assert (ops -- Map.keys(V.operations())) -- inner == []
  end

  test "an unknown name or option says which there are" do
    for call <- [&V.call/3, &V.call!/3] do
      error = assert_raise ArgumentError, fn -> call.(:sorted, [], []) end
      assert error.message =~ "there is no operation :sorted; there are :abs,"
      assert error.message =~ ":sort,"

      t = V.tensor!([2, 1])
      error = assert_raise ArgumentError, fn -> call.(:sort, [t], axes: 0) end
      assert error.message == "sort: there is no option :axes; there are :axis, :descending"
      error = assert_raise ArgumentError, fn -> call.(:add, [t, t], axis: 0) end
      assert error.message == "add: there is no option :axis; there are none"
      assert_raise ArgumentError, fn -> call.(:sort, [t], device: 0) end
      assert_raise ArgumentError, fn -> call.(:sort, [t], :axis) end
    end
  end

  test "the library refuses them, too, and options of another kind" do
    %{ref: ref} = V.tensor!([2, 1])

    for {name, options, message} <- [
          {:sorted, [], "sorted: is not an operation of this library"},
          {:sort, [axes: 0], "sort: has no option 'axes'; it takes axis, descending"},
          {:add, [axis: 0], "add: has no option 'axis'; it takes none"},
          {:sum, [axes: [0.0]], "sum: option 'axes' takes integers, got reals"}
        ] do
      refs = if name == :add, do: [ref, ref], else: [ref]
      assert Native.call(name, refs, options) == {:error, :invalid_argument, message}
    end
  end

  test "values that have no meaning are answered" do
    t = V.tensor!([2, 1])

    for {name, operands, options} <- [
          {:sort, [t], [axis: 1]},
          {:sort, [t], [axis: 0.0]},
          {:sort, [t], [descending: 1]},
          {:sort, [t, t], []},
          {:sort, [], []},
          {:sort, t, []},
          {:sort, [:t], []},
          {:iota, [t], [shape: {2}]},
          {:iota, [], []},
          {:iota, [], [shape: :none]},
          {:cast, [t], [type: :f31]},
          {:all_close, [t, t], [atol: "1"]},
          {:constant, [], [value: {1, 2}, type: :f32]},
          {:constant, [], [value: 2 ** 64, type: :f32]}
        ] do
      assert {name, options, V.call(name, operands, options)} ==
               {name, options, {:error, :invalid_argument}}
    end

    assert_raise V.Error, ~r/sort: axis 1 is out of range for s32\{2\}/, fn ->
      V.call!(:sort, [t], axis: 1)
    end
  end
end
