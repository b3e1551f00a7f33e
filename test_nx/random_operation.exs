defmodule Nx.Vulkan.RandomOperation do
  @moduledoc false
  # Operations that take values of any type and shape: operands are made to fit, indices are inside, and
  # nothing raises.

  @float_unary ~w(sin tanh sigmoid cos exp log1p atan sqrt)a
  @unary ~w(negate abs sign floor as_float not_zero square)a
  @binary ~w(add subtract multiply min max atan2 less equal quotient select shift)a
  @folds ~w(sum mean product reduce_max argmax any sum_all)a
  @others ~w(cumulative_sum cumulative_max sort argsort reverse transpose dot concatenate pad fft qr
             put_slice slice indexed_put indexed_add gather take constant literal iota window_sum
             conv every_second random)a

  def draw do
    [@float_unary, @unary, @binary, @binary, @folds, @others, @others]
    |> Enum.random()
    |> Enum.random()
  end

  def pick(values, ref), do: Enum.at(values, rem(ref, length(values)))

  def compute(op, refs, values) do
    [a, b, c] = Enum.map(refs, &pick(values, &1))
    op(op, a, b, c)
  end

  defp op(op, a, _, _) when op in @float_unary, do: apply(Nx, op, [a])
  defp op(op, a, _, _) when op in [:negate, :abs], do: apply(Nx, op, [a])
  defp op(op, a, _, _) when op in [:sign, :floor], do: apply(Nx, op, [real(a)])
  defp op(:as_float, a, _, _), do: Nx.as_type(a, Nx.Type.merge(a.type, {:f, 32}))
  defp op(:not_zero, a, _, _), do: Nx.not_equal(a, 0)
  defp op(:square, a, _, _), do: Nx.multiply(a, a)

  defp op(op, a, b, _) when op in [:add, :subtract, :multiply, :equal],
    do: apply(Nx, op, [a, shaped(b, a)])

  defp op(op, a, b, _) when op in [:min, :max, :atan2, :less],
    do: apply(Nx, op, [real(a), shaped(real(b), a)])

  defp op(:quotient, a, b, _) do
    [a, b] = Enum.map([a, b], &integer/1)
    Nx.quotient(a, Nx.max(shaped(b, a), 1))
  end

  defp op(:shift, a, b, _) do
    [a, b] = Enum.map([a, b], &integer/1)
    Nx.left_shift(a, Nx.clip(shaped(b, a), 0, 3))
  end

  defp op(:select, a, b, c), do: Nx.select(shaped(real(c), a), a, shaped(b, a))

  defp op(:sum_all, a, _, _), do: Nx.sum(a)
  defp op(op, a, _, _) when op in [:sum, :mean, :product], do: fold(op, a)
  defp op(op, a, _, _) when op in [:reduce_max, :argmax, :any], do: fold(op, real(a))
  defp op(:cumulative_sum, a, _, _), do: a |> at_least_rank(1) |> Nx.cumulative_sum()
  defp op(:cumulative_max, a, _, _), do: a |> real() |> at_least_rank(1) |> Nx.cumulative_max()
  defp op(op, a, _, _) when op in [:sort, :argsort], do: apply(Nx, op, [vector(real(a))])
  defp op(op, a, _, _) when op in [:reverse, :transpose], do: apply(Nx, op, [a])
  defp op(:dot, a, b, _), do: Nx.dot(vector(a), shaped(b, vector(a)))
  defp op(:concatenate, a, b, _), do: Nx.concatenate([vector(a), vector(b)])

  defp op(:pad, a, b, _) do
    value = b |> real() |> Nx.devectorize() |> first() |> Nx.as_type(a.type)
    Nx.pad(vector(a), value, [{1, -1, 1}])
  end

  defp op(:fft, a, _, _), do: a |> vector() |> Nx.fft(length: 4)

  # R alone: Q is a choice where the matrix has no full rank.
  defp op(:qr, a, _, _) do
    x = a |> real() |> Nx.tanh() |> shaped(Nx.iota({3, 3}))
    {_q, r} = x |> Nx.add(Nx.multiply(4, Nx.eye(3))) |> Nx.LinAlg.qr()
    r
  end

  defp op(:put_slice, a, b, c) do
    a = vector(a)
    part = Nx.as_type(b |> real() |> first() |> Nx.new_axis(0), a.type)
    Nx.put_slice(a, [place(c, Nx.size(a))], part)
  end

  defp op(:slice, a, b, _) do
    a = vector(a)
    size = div(Nx.size(a) + 1, 2)
    Nx.slice(a, [place(b, Nx.size(a))], [size])
  end

  defp op(op, a, b, c) when op in [:indexed_put, :indexed_add] do
    a = vector(a)
    indices = Nx.new_axis(index(vector(c), Nx.size(a)), -1)
    updates = b |> real() |> shaped(vector(c)) |> Nx.as_type(a.type)
    apply(Nx, op, [a, indices, updates])
  end

  defp op(:gather, a, b, _) do
    a = vector(a)
    Nx.gather(a, Nx.new_axis(index(vector(b), Nx.size(a)), -1))
  end

  defp op(:take, a, b, _), do: Nx.take(vector(a), index(b, Nx.size(a)))
  defp op(:constant, a, _, _), do: Nx.add(a, shaped(Nx.tensor([0.5, 1.5, -1.0, 2.0]), a))
  defp op(:literal, a, _, _), do: Nx.multiply(a, 3)
  defp op(:iota, a, _, _), do: Nx.add(a, Nx.iota(a.shape, type: {:s, 32}))
  defp op(:window_sum, a, _, _), do: Nx.window_sum(vector(a), {2}, padding: :same)

  defp op(:conv, a, b, _) do
    [a, b] = for x <- [a, b], do: Nx.reshape(Nx.tanh(real(x)), {1, 1, :auto})
    kernel = shaped(b, Nx.iota({1, 1, 2}))
    Nx.conv(a, kernel, padding: :same)
  end

  defp op(:every_second, a, _, _),
    do: Nx.slice(vector(a), [0], [Nx.size(a)], strides: [min(2, Nx.size(a))])

  defp op(:random, a, _, _) do
    seed = a |> real() |> first() |> Nx.as_type({:s, 64}) |> Nx.devectorize() |> vector()
    {values, _key} = Nx.Random.uniform(Nx.Random.key(seed[0]), shape: {4})
    values
  end

  # Along the last axis, where there is one.
  defp fold(op, %{shape: {}} = a), do: apply(Nx, op, [a])
  defp fold(op, a) when op == :argmax, do: Nx.argmax(a, axis: -1, keep_axis: true)
  defp fold(op, a), do: apply(Nx, op, [a, [axes: [-1], keep_axes: true]])

  def first(x), do: x |> vector() |> Nx.slice([0], [1]) |> Nx.reshape({})
  defp vector(x), do: Nx.reshape(x, {:auto})
  def at_least_rank(x, 1), do: if(x.shape == {}, do: Nx.reshape(x, {1}), else: x)

  def real(%{type: {:c, _}} = x), do: Nx.real(x)
  def real(x), do: x

  defp integer(x) do
    x = real(x)
    if Nx.Type.integer?(x.type), do: x, else: Nx.as_type(x, {:s, 32})
  end

  # Integers in [0, size).
  defp index(x, size), do: x |> integer() |> Nx.as_type({:s, 32}) |> Nx.clip(0, size - 1)

  # Of all vectors.
  defp place(x, size), do: x |> Nx.devectorize() |> first() |> index(size)

  # ---- Making values fit ----

  defp shaped(%{shape: shape} = x, %{shape: shape}), do: x
  defp shaped(%{shape: {}} = x, like), do: Nx.broadcast(x, like.shape)

  defp shaped(x, like) do
    x = vector(x)
    missing = Nx.size(like.shape) - Nx.size(x.shape)

    if missing > 0,
      do: x |> Nx.pad(Nx.tensor(1, type: x.type), [{0, missing, 0}]) |> Nx.reshape(like.shape),
      else: x |> Nx.slice([0], [Nx.size(like.shape)]) |> Nx.reshape(like.shape)
  end

  def fit(x, like) do
    x = if x.vectorized_axes != [] and like.vectorized_axes == [], do: Nx.devectorize(x), else: x
    x = if match?({:c, _}, like.type), do: x, else: real(x)
    x = x |> shaped(like) |> Nx.as_type(like.type)

    if x.vectorized_axes == like.vectorized_axes,
      do: x,
      else: [x, like] |> Nx.broadcast_vectors() |> hd()
  end
end
