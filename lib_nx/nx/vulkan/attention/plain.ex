defmodule Nx.Vulkan.Attention.Plain do
  @moduledoc false
  # Attention and its gradients in plain Nx, with all scores in memory; in f32, or f64 where an operand is.

  alias Nx.Vulkan.Attention.Gradient

  @doc "The result, in the type of the queries, and the logarithms of the sums of its rows."
  @spec forward(struct, [Nx.Tensor.t()]) :: {Nx.Tensor.t(), Nx.Tensor.t()}
  def forward(struct, [q | _] = args) do
    o = operands(struct, args)
    {scores, _} = scores(struct, o)
    largest = Nx.reduce_max(scores, axes: [3], keep_axes: true)
    largest = if sinks = o[:sinks], do: Nx.max(largest, column(sinks)), else: largest
    # Of rows that see no key all weights are 0.
    base = Nx.select(Nx.is_infinity(largest), 0, largest)
    weights = Nx.exp(Nx.subtract(scores, base))
    sum = Nx.sum(weights, axes: [3], keep_axes: true)
    sum = if sinks, do: Nx.add(sum, Nx.exp(Nx.subtract(column(sinks), base))), else: sum
    weights = Nx.divide(weights, Nx.select(Nx.equal(sum, 0), 1, sum))
    result = with_heads(weights, o.v, 2)
    sums = Nx.squeeze(Nx.add(base, Nx.log(sum)), axes: [3])
    {result |> as_given(struct) |> Nx.as_type(q.type), Nx.as_type(sums, :f32)}
  end

  @doc "The result alone."
  @spec result(struct, [Nx.Tensor.t()]) :: Nx.Tensor.t()
  def result(struct, args), do: struct |> forward(args) |> elem(0)

  @doc "Of queries, keys and values, each in its own type."
  @spec gradient(%Gradient{}, [Nx.Tensor.t()]) :: tuple
  def gradient(%Gradient{forward: struct}, args) do
    {args, [result, sums, g]} = Enum.split(args, -3)
    [q, k, v | _] = args
    o = operands(struct, args)
    g = outside(g, struct, o.q.type)
    {scores, slopes} = scores(struct, o)
    weights = weights(scores, sums)
    difference = Nx.subtract(with_heads(g, o.v, 3), delta(outside(result, struct), g))
    changes = weights |> Nx.multiply(difference) |> Nx.multiply(slopes)

    for_queries = with_heads(changes, o.k, 2)
    for_keys = over_groups(changes, o.q, o.k)
    for_values = over_groups(weights, g, o.v)

    [{for_queries, q}, {for_keys, k}, {for_values, v}]
    |> Enum.map(fn {x, like} -> x |> as_given(struct) |> Nx.as_type(like.type) end)
    |> List.to_tuple()
  end

  @doc "A sink is a score without a value: what its weight takes from a row is the row's result."
  @spec gradient_of_sinks(struct, Nx.Tensor.t(), Nx.Tensor.t(), Nx.Tensor.t(), Nx.Tensor.t()) ::
          Nx.Tensor.t()
  def gradient_of_sinks(struct, sinks, result, sums, g) do
    weights = weights(column(sinks), sums)
    delta = delta(outside(result, struct, {:f, 32}), outside(g, struct, {:f, 32}))

    weights
    |> Nx.multiply(delta)
    |> Nx.negate()
    |> Nx.sum(axes: [0, 2, 3])
    |> Nx.as_type(sinks.type)
  end

  # Of {batch, heads, queries, n}; the sums of rows that see no key are -infinity.
  defp weights(scores, sums) do
    sums = Nx.new_axis(sums, 3)
    Nx.exp(Nx.subtract(scores, Nx.select(Nx.is_infinity(sums), 0, sums)))
  end

  defp delta(result, g),
    do: Nx.sum(Nx.multiply(result, g), axes: [3], keep_axes: true)

  # Factors as {batch, heads, length, width}, in the type of the computation, and the others by name.
  defp operands(struct, [q, k, v | others]) do
    type = Nx.Type.merge({:f, 32}, Nx.Type.merge(q.type, Nx.Type.merge(k.type, v.type)))
    [q, k, v] = Enum.map([q, k, v], &outside(&1, struct, type))
    Map.merge(%{q: q, k: k, v: v}, Map.new(Enum.zip(struct.operands, others)))
  end

  defp outside(x, struct, type), do: x |> outside(struct) |> Nx.as_type(type)
  defp outside(x, %{heads_axis: 1}), do: x
  defp outside(x, %{heads_axis: 2}), do: Nx.transpose(x, axes: [0, 2, 1, 3])
  defp as_given(x, struct), do: outside(x, struct)

  # Scores, -infinity where a query does not see a key, and their derivatives by the products.
  defp scores(struct, %{q: q, k: k} = o) do
    scale = struct.scale || 1 / :math.sqrt(Nx.axis_size(q, 3))
    scores = Nx.multiply(with_heads(q, k, 3), scale)

    {scores, slopes} =
      if cap = struct.soft_cap do
        bent = Nx.tanh(Nx.divide(scores, cap))
        {Nx.multiply(bent, cap), Nx.multiply(Nx.subtract(1, Nx.multiply(bent, bent)), scale)}
      else
        {scores, scale}
      end

    scores = if bias = o[:bias], do: Nx.add(scores, bias), else: scores

    {scores, slopes} =
      if mask = o[:mask] do
        mask = Nx.broadcast(Nx.not_equal(mask, 0), scores.shape)
        masked = Nx.tensor(struct.masked || :neg_infinity, type: scores.type)
        {Nx.select(mask, scores, masked), Nx.select(mask, slopes, 0)}
      else
        {scores, slopes}
      end

    {see(scores, struct, o), slopes}
  end

  defp see(scores, struct, o) do
    {_, _, queries, keys} = scores.shape
    key = Nx.iota({1, 1, 1, keys})
    default = if o[:offsets], do: 0, else: keys - queries
    position = Nx.add(Nx.iota({1, 1, queries, 1}), struct.offset || default)
    position = if offsets = o[:offsets], do: Nx.add(position, entry(offsets)), else: position
    distance = Nx.subtract(position, key)
    width = struct.window

    [
      o[:lengths] && Nx.less(key, entry(o[:lengths])),
      struct.causal && Nx.greater_equal(distance, 0),
      width && Nx.less(distance, width),
      width && not struct.causal && Nx.greater(distance, -width)
    ]
    |> Enum.filter(& &1)
    |> Enum.reduce(scores, fn sees, scores ->
      lowest = Nx.tensor(:neg_infinity, type: scores.type)
      Nx.select(Nx.broadcast(sees, scores.shape), scores, lowest)
    end)
  end

  # Of a number for each entry of the batch, or for each head.
  defp entry(x), do: Nx.reshape(x, {:auto, 1, 1, 1})
  defp column(x), do: Nx.reshape(x, {1, :auto, 1, 1})

  # The product of {batch, heads, n, a} with {batch, kv_heads, m, b}, each head with that of its group.
  defp with_heads(x, y, axis) do
    {batch, heads, rows, _} = x.shape
    product = Nx.dot(grouped(x, y), [4], [0, 1], y, [axis], [0, 1])
    Nx.reshape(product, {batch, heads, rows, :auto})
  end

  # The product of x transposed, {batch, heads, n, a}, with y, {batch, heads, n, b}, added up over the
  # heads of a group of `like`.
  defp over_groups(x, y, like),
    do: Nx.dot(grouped(x, like), [2, 3], [0, 1], grouped(y, like), [2, 3], [0, 1])

  defp grouped(x, like) do
    {batch, _, rows, columns} = x.shape
    Nx.reshape(x, {batch, Nx.axis_size(like, 1), :auto, rows, columns})
  end
end
