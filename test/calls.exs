defmodule Nx.Vulkan.Calls do
  # A call of each operation that has a name, and its answer.

  alias Nx.Vulkan, as: V

  @convolution [strides: {1, 1}, low: [0, 0], high: [0, 0]] ++
                 [input_dilation: [1, 1], kernel_dilation: [1, 1]] ++
                 [feature_group_size: 1, batch_group_size: 1] ++
                 Enum.map(
                   [:input_permutation, :kernel_permutation, :output_permutation],
                   &{&1, [0, 1, 2, 3]}
                 )

  @doc """
  By the operation's name: operands, options, and the answer, nested lists of what `simple/1` makes of it.
  """
  def all do
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

  @doc "What a call has answered, as it stands in `all/0`."
  def answer(%V.Tensor{} = tensor), do: simple(V.to_list!(tensor))
  def answer(tuple), do: tuple |> Tuple.to_list() |> Enum.map(&answer/1) |> List.to_tuple()
end
