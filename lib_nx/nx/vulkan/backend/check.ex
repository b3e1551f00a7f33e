defmodule Nx.Vulkan.Backend.Check do
  @moduledoc false
  # Mistakes that only the data can show are reported at the call when the host knows the data: it
  # does for small tensors made from bytes or numbers. Otherwise the kernel finds them, and reading
  # the value raises.

  alias Nx.Tensor, as: T
  alias Nx.Vulkan.Backend.Node

  @doc "Every index of `indices {.., length(axes)}` lies inside the tensor."
  def indices!(%T{shape: shape}, indices, axes) do
    if numbers = Node.known(indices) do
      # Nx counts axes, and names the shape, with the indexed axes moved to the front.
      rest = for axis <- 0..(tuple_size(shape) - 1)//1, axis not in axes, do: axis
      moved = List.to_tuple(for axis <- axes ++ rest, do: elem(shape, axis))

      numbers
      |> Stream.zip(Stream.cycle(0..(length(axes) - 1)))
      |> Enum.each(fn {index, axis} -> index!(index, axis, moved) end)
    end
  end

  @doc "Every index lies inside an axis of the tensor."
  def indices_along!(%T{shape: shape}, indices, axis) do
    if numbers = Node.known(indices), do: Enum.each(numbers, &index!(&1, axis, shape))
  end

  defp index!(index, axis, shape) do
    if index < 0 or index >= elem(shape, axis) do
      raise ArgumentError,
            "index #{index} is out of bounds for axis #{axis} in shape #{inspect(shape)}"
    end
  end

  def shift!(name, amount) do
    with numbers when numbers != nil <- Node.known(amount),
         n when n != nil <- Enum.find(numbers, &(&1 < 0)) do
      [direction, "shift"] = name |> Atom.to_string() |> String.split("_")
      raise ArgumentError, "cannot #{direction} shift by #{n}"
    end
  end

  @doc "Float operands are numbers, neither infinite nor NaN."
  def finite!(operands) do
    operands
    |> Enum.with_index(1)
    |> Enum.filter(fn {t, _} -> Enum.any?(Node.known(t) || [], &is_atom/1) end)
    |> case do
      [] ->
        :ok

      found ->
        # The text is Erlang's, whose :math Nx's own backend asks.
        lines = for {_, n} <- found, do: "  * #{ordinal(n)} argument: not a number\n"
        raise ArgumentError, "errors were found at the given arguments:\n\n#{lines}"
    end
  end

  defp ordinal(1), do: "1st"
  defp ordinal(2), do: "2nd"

  @doc "The real part of an operand that may be complex in type, but not in value."
  def real!(name, %T{type: {:c, bits}} = t) do
    with numbers when numbers != nil <- Node.known(t),
         true <- Enum.all?(numbers, fn {_re, im} -> im == 0 end) do
      Nx.Vulkan.Backend.real(%{t | type: {:f, div(bits, 2)}}, t)
    else
      _ -> raise ArithmeticError, "Complex.#{name} only accepts real numbers as arguments"
    end
  end

  def real!(_name, t), do: t

  @doc "No matrix has a zero on its diagonal."
  def diagonal!(%T{shape: shape} = matrices) do
    if numbers = Node.known(matrices) do
      n = elem(shape, tuple_size(shape) - 1)

      numbers
      |> Enum.chunk_every(n * n)
      |> Enum.each(fn matrix ->
        if matrix |> Enum.take_every(n + 1) |> Enum.any?(&zero?/1) do
          raise ArgumentError, "can't solve for singular matrix"
        end
      end)
    end
  end

  defp zero?({re, im}), do: zero?(re) and zero?(im)
  defp zero?(x), do: x == 0

  @doc "Start indices as integers; nil when the host does not know all of them."
  def known_starts(starts) do
    starts = Enum.map(starts, &known_start/1)
    if nil in starts, do: nil, else: starts
  end

  defp known_start(n) when is_integer(n), do: n

  defp known_start(%T{} = scalar) do
    with [n] <- Node.known(scalar), do: min(n, 0x7FFFFFFFFFFFFFFF)
  end
end
