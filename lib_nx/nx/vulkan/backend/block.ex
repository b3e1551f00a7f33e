defmodule Nx.Vulkan.Backend.Block do
  @moduledoc false
  # Blocks of Nx that the library computes as one operation. Others run as the composition that Nx
  # gives for them, on this backend; so does linear algebra where the configuration asks for it.

  alias Nx.Block.LinAlg
  alias Nx.Vulkan.Attention
  alias Nx.Vulkan.Backend.{Check, Elementwise, Node}

  import Node, only: [ref: 1, ref: 2, call: 3, call: 4, call_all: 3]

  @linear_algebra [LinAlg.Cholesky, LinAlg.Determinant, LinAlg.Eigh, LinAlg.LU] ++
                    [LinAlg.QR, LinAlg.Solve, LinAlg.SVD]
  @operations [Nx.Block.LogicalNot, Nx.Block.Take, Nx.Block.TakeAlongAxis, Nx.Block.TopK] ++
                [Nx.Block.CumulativeSum, Nx.Block.CumulativeProduct] ++
                [Nx.Block.CumulativeMax, Nx.Block.CumulativeMin] ++
                [Nx.Block.FFT2, Nx.Block.IFFT2, Nx.Block.RFFT, Nx.Block.IRFFT] ++
                [Attention.Forward, Attention.Gradient]

  @doc "Whether a block is one operation here, and not the composition that Nx gives for it."
  @spec native?(struct) :: boolean
  def native?(%module{}) when module in @linear_algebra, do: linear_algebra() == :native
  def native?(%module{}), do: module in @operations

  @spec block(struct, Nx.Tensor.t() | tuple, list, fun) :: Nx.Tensor.t() | tuple
  def block(%Nx.Block.LogicalNot{}, out, [t], _), do: Elementwise.unary(out, :logical_not, t)

  for {block, name} <- [
        {Nx.Block.CumulativeSum, :cumulative_sum},
        {Nx.Block.CumulativeProduct, :cumulative_product},
        {Nx.Block.CumulativeMax, :cumulative_max},
        {Nx.Block.CumulativeMin, :cumulative_min}
      ] do
    def block(%unquote(block){axis: axis, reverse: reverse}, out, [t], _),
      do: call(out, unquote(name), [ref(t)], axis: axis, reverse: reverse)
  end

  def block(%Nx.Block.Take{axis: axis}, out, [t, indices], _) do
    Check.indices!(t, indices, [axis])
    call(out, :take, [ref(t), ref(indices)], axis: axis)
  end

  def block(%Nx.Block.TakeAlongAxis{axis: axis}, out, [t, indices], _) do
    Check.indices_along!(t, indices, axis)
    call(out, :take_along_axis, [ref(t), ref(indices)], axis: axis)
  end

  def block(%Nx.Block.TopK{k: k}, out, [t], _), do: results(out, :top_k, [ref(t)], k: k)

  def block(%Attention.Forward{} = b, out, args, _) do
    make = if b.statistics, do: &results/4, else: &call/4
    make.(out, :attention, Enum.map(args, &ref/1), [statistics: b.statistics] ++ options_of(b))
  end

  def block(%Attention.Gradient{forward: b}, out, args, _),
    do: results(out, :attention_gradient, Enum.map(args, &ref/1), options_of(b))

  # ---- Fourier transforms ----

  for {block, name} <- [{Nx.Block.FFT2, :fft2}, {Nx.Block.IFFT2, :ifft2}] do
    def block(%unquote(block){} = b, out, [t], _) do
      options = [axes: b.axes, lengths: b.lengths, eps: b.eps]
      call(out, unquote(name), [ref(t)], options)
    end
  end

  for {block, name} <- [{Nx.Block.RFFT, :rfft}, {Nx.Block.IRFFT, :irfft}] do
    def block(%unquote(block){} = b, out, [t], _) do
      options = [axis: b.axis, length: b.length, eps: b.eps]
      call(out, unquote(name), [ref(t)], options)
    end
  end

  # ---- Linear algebra: one operation each, or as Nx composes it ----

  def block(%module{} = struct, out, args, fun) when module in @linear_algebra do
    if native?(struct), do: native(struct, out, args), else: composed(struct, args, fun)
  end

  def block(struct, _out, args, fun), do: composed(struct, args, fun)

  @doc "What the configuration says of linear algebra."
  @spec linear_algebra() :: :native | :composed
  def linear_algebra do
    case Application.get_env(:nx_vulkan, :linear_algebra, :native) do
      known when known in [:native, :composed] ->
        known

      other ->
        raise ArgumentError,
              "config :nx_vulkan, linear_algebra: must be :native or :composed, got: " <>
                inspect(other)
    end
  end

  # Numbers that the composition makes must land on this backend, and on the device of the arguments.
  defp composed(struct, args, fun) do
    Nx.with_default_backend(Node.backend(args), fn -> apply(fun, [struct | args]) end)
  end

  defp native(%LinAlg.Cholesky{}, out, [t]), do: call(out, :cholesky, [ref(t, out.type)])

  defp native(%LinAlg.Solve{}, out, [a, b]),
    do: call(out, :solve, [ref(a, out.type), ref(b, out.type)])

  defp native(%LinAlg.Determinant{}, out, [t]), do: call(out, :determinant, [ref(t)])

  defp native(%LinAlg.QR{mode: mode}, out, [t]),
    do: results(out, :qr, [ref(t)], complete: mode == :complete)

  defp native(%LinAlg.LU{}, out, [t]), do: results(out, :lu, [ref(t)], [])

  defp native(%LinAlg.Eigh{}, out, [t]), do: results(out, :eigh, [ref(t)], [])

  defp native(%LinAlg.SVD{full_matrices?: true}, out, [t]),
    do: results(out, :svd, [ref(t)], full_matrices: true)

  defp native(%LinAlg.SVD{}, out, [t]) do
    {u, s, vt} = results(out, :svd, [ref(t)], full_matrices: false)

    if Nx.axis_size(t, -2) >= Nx.axis_size(t, -1),
      do: {without_zeros(u, s, -2), s, vt},
      else: {u, s, without_zeros(vt, s, -1)}
  end

  # As Nx has it, singular values that are zero but for rounding have vectors on the shorter side
  # alone. Those of the longer one are zero, which keeps 1 / s out of pseudoinverses. The vectors of a
  # matrix of zeros are the identity's. `axis` is where the vectors have their elements.
  defp without_zeros(vectors, s, axis) do
    Nx.with_default_backend(Node.backend([vectors]), fn ->
      largest = Nx.reduce_max(s, axes: [-1], keep_axes: true)
      noise = Nx.multiply(largest, Nx.axis_size(s, -1) * roundoff(s.type))
      is_zero = Nx.logical_and(Nx.less_equal(s, noise), Nx.greater(largest, 0))
      is_zero |> Nx.new_axis(axis) |> Nx.broadcast(vectors) |> Nx.select(0, vectors)
    end)
  end

  # Of the computation: types below f32 are computed in f32.
  defp roundoff({:f, 64}), do: :math.pow(2, -52)
  defp roundoff(_), do: :math.pow(2, -23)

  # ---- Attention ----

  defp options_of(%Attention.Forward{operands: operands} = b) do
    b
    |> Map.take([:scale, :causal, :window, :offset, :soft_cap, :masked, :heads_axis])
    |> Enum.reject(&match?({_, nil}, &1))
    |> Enum.concat(Enum.map(operands, &{&1, true}))
  end

  # ---- Shapes of calls ----

  defp results(outs, name, operands, options) do
    values = call_all(name, operands, options)

    outs
    |> Tuple.to_list()
    |> Enum.zip_with(values, &Node.put/2)
    |> List.to_tuple()
  end
end
