defmodule Nx.Vulkan.BadArgumentsTest do
  # Terms that are no lists, numbers that no machine word holds, shapes that no memory holds: errors, or
  # the tensor that arithmetic without bounds gives. Nothing raises, nothing wraps around.
  use ExUnit.Case, async: true
  @moduletag :device

  alias Nx.Vulkan, as: V

  defp refused(result), do: assert({:error, :invalid_argument} = result)

  test "one axis is an integer" do
    x = V.tensor!([1.0, 2.0])

    for axis <- [[0, 1], nil, [], [0], :x, 1.0, 2 ** 31, 2 ** 32, -(2 ** 32), 2 ** 70] do
      refused(V.concatenate([x, x], axis: axis))
      if axis, do: refused(V.iota({3}, axis: axis))
    end

    assert V.to_list!(V.concatenate!([x, x], axis: -1)) == [1.0, 2.0, 1.0, 2.0]
    assert V.to_list!(V.iota!({2, 2}, axis: -1)) == [[0, 1], [0, 1]]
  end

  test "lists that do not end with one" do
    x = V.tensor!([1.0, 2.0])
    improper = [0 | 1]

    for {:error, reason} <- [
          V.tensor(improper),
          V.tensor([[1, 2], improper]),
          V.tensor([improper, [1, 2]])
        ],
        do: assert(reason in [:size_mismatch, :invalid_argument])

    for result <- [
          V.full(improper, 1),
          V.eye([2 | 2]),
          V.iota(improper),
          V.iota({2}, [{:axis, 0} | 1]),
          V.from_binary(<<0>>, improper, :u8),
          V.concatenate([x | x]),
          V.pad(x, 0, [{0, 0, 0} | 1]),
          V.slice(x, improper, [1]),
          V.slice(x, [0], improper),
          V.slice(x, [0], [1], strides: improper),
          V.reshape(x, improper),
          V.broadcast(x, improper),
          V.transpose(x, axes: improper),
          V.squeeze(x, axes: improper),
          V.reverse(x, axes: improper),
          V.sum(x, axes: improper),
          V.dot(x, x, contract: {improper, [0]}),
          V.call(:exp, [x | x], []),
          V.call(:sum, [x], axes: improper),
          V.init([{:device, 0} | 1])
        ],
        do: refused(result)
  end

  test "integers beyond 64 bits" do
    x = V.tensor!([1.0, 2.0])

    for big <- [2 ** 64, -(2 ** 63) - 1, 2 ** 70, -(2 ** 70), 2 ** 2000] do
      for result <- [
            V.tensor([big]),
            V.tensor([big], type: :u8),
            V.full({2}, big),
            V.full({big}, 1),
            V.add(x, big),
            V.clip(x, big, big),
            V.pad(x, 0, [{big, 0, 0}]),
            V.pad(x, 0, [{0, 0, big}]),
            V.reshape(x, {big}),
            V.slice(x, [big], [1]),
            V.slice(x, [0], [1], strides: [big]),
            V.transpose(x, axes: [big]),
            V.sum(x, axes: big),
            V.dot(x, x, contract: {big, 0}),
            V.random_uniform({2}, big),
            V.call(:sort, [x], axis: big),
            V.call(:top_k, [x], k: big),
            V.call(:random_normal, [], shape: {2}, seed: big),
            V.init(memory_budget: big)
          ],
          do: refused(result)
    end

    for result <- [
          V.full({2}, {2 ** 2000, 0}),
          V.random_uniform({2}, 1, low: 2 ** 2000),
          V.random_normal({2}, 1, mean: -(2 ** 2000)),
          V.call(:sort, [x], axis: 2 ** 64 - 1)
        ],
        do: refused(result)

    # Numbers of floating types have any size that these have.
    assert V.to_list!(V.tensor!([2 ** 70], type: :f32)) == [2.0 ** 70]
    assert {:ok, _} = V.random_uniform({2}, 2 ** 64 - 1, low: -(2 ** 70), high: 2 ** 70)
    assert {:ok, _} = V.call(:random_normal, [], shape: {2}, seed: 2 ** 64 - 1)
  end

  @edges for power <- [31, 32, 33, 47, 48, 62, 63, 64], off <- [-1, 0, 1], do: 2 ** power + off

  defp small, do: Enum.random(1..4)
  defp extent, do: if(:rand.uniform(2) == 1, do: small(), else: Enum.random(@edges))

  defp amount,
    do: if(:rand.uniform(3) == 1, do: Enum.random(-4..4), else: Enum.random([1, -1]) * extent())

  # The shape, when a tensor may have it.
  defp admitted(dims) do
    if Enum.all?(dims, &(&1 >= 1)) and Enum.product(dims) <= 2 ** 48, do: List.to_tuple(dims)
  end

  defp windows(length, window, stride, dilation) do
    span = (window - 1) * dilation + 1
    fits? = window >= 1 and stride >= 1 and dilation >= 1 and span <= length
    if fits?, do: div(length - span, stride) + 1, else: 0
  end

  # A call, and the shape that its result has, or nil where there is none.
  defp draw(n) do
    x = V.tensor!([1.0, 2.0, 3.0])
    [a, b, c, d] = for _ <- 1..4, do: amount()
    e = extent()

    case rem(n, 9) do
      0 ->
        fits? = b in 1..3 and c >= 1
        {V.slice(x, [a], [b], strides: [c]), fits? && admitted([div(b - 1, c) + 1])}

      1 ->
        b = if d > 0, do: b, else: -a + 3
        {V.pad(x, 0, [{a, b, c}]), c >= 0 && admitted([3 + 2 * c + a + b])}

      2 ->
        {V.full({e, a}, 1.0), admitted([e, a])}

      3 ->
        {V.broadcast(x, [e, 3]), admitted([e, 3])}

      4 ->
        with {:ok, part} <- V.full({e}, 1),
             do: {V.concatenate([part, part, part]), admitted([3 * e])}

      5 ->
        f = extent()

        with {:ok, left} <- V.full({e, 1}, 1.0),
             {:ok, right} <- V.full({1, f}, 1.0),
             do: {V.matmul(left, right), admitted([e, f])}

      6 ->
        result = V.call(:window_sum, [x], window: [a], strides: [b], dilations: [c], low: [d])
        {result, windows(3 + d, a, b, c) > 0 && admitted([windows(3 + d, a, b, c)])}

      7 ->
        {V.call(:fft, [x], length: a), admitted([a])}

      8 ->
        {V.eye([e, extent_of(a)]), admitted([e, extent_of(a)])}
    end
  end

  defp extent_of(n), do: abs(n)

  test "random operations on absurd shapes" do
    :rand.seed(:exsss, {1, 2, 3})

    outcomes =
      for n <- 1..3000 do
        case draw(n) do
          {:error, _} ->
            :refused

          {{:error, reason}, _} ->
            assert is_atom(reason)
            :refused

          {{:ok, tensor}, expected} ->
            assert tensor.shape == expected
            count = Tuple.product(tensor.shape)
            # What is too large for memory is an error of the read, what is small a value.
            if count < 100, do: assert({:ok, _} = V.to_binary(tensor))
            if count > 2 ** 31, do: assert({:error, _} = V.to_binary(tensor))
            :built
        end
      end

    assert %{built: built, refused: refused} = Enum.frequencies(outcomes)
    assert built > 500 and refused > 500
  end

  test "what ended the VM" do
    assert V.to_list!(V.slice!(V.tensor!([1, 2, 3, 4, 5]), [0], [2], strides: [2 ** 63 - 1])) == [
             1
           ]

    assert {:error, _} = V.matmul(V.full!({2 ** 32, 1}, 1.0), V.full!({1, 2 ** 32}, 1.0))

    x = V.tensor!([1.0, 2.0, 3.0])
    assert V.to_list!(V.pad!(x, 7.0, [{2 ** 32, -(2 ** 32), 0}])) == [7.0, 7.0, 7.0]
    assert {:error, _} = V.pad(x, 7.0, [{2 ** 63 - 1, 2 ** 63 - 1, 0}])

    doubled =
      Enum.reduce_while(1..16, V.full({2 ** 47}, 1), fn _, {:ok, x} ->
        case V.concatenate([x, x]) do
          {:ok, _} = ok -> {:cont, ok}
          error -> {:halt, error}
        end
      end)

    assert {:error, _} = doubled
  end
end
