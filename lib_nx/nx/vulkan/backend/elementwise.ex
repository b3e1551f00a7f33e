defmodule Nx.Vulkan.Backend.Elementwise do
  @moduledoc false
  # Element-wise operations. The library decides the type of a result by its operands' types alone;
  # Nx decides differently where one of them came from a number: f16 + 0.5 is f16, and the number
  # arrives as a tensor of f32.

  alias Nx.Tensor, as: T
  alias Nx.Vulkan.Backend.Node
  alias Nx.Vulkan.Native

  import Node, only: [ref: 1, ref: 2, make: 2]

  @spec unary(Nx.Tensor.t(), atom, Nx.Tensor.t()) :: Nx.Tensor.t()
  def unary(out, op, a) do
    a = ref(a)
    make(out, fn -> Native.unary(op, a) end)
  end

  @doc "An operation whose operands are merged into the type of the result."
  @spec arithmetic(Nx.Tensor.t(), atom, Nx.Tensor.t(), Nx.Tensor.t()) :: Nx.Tensor.t()
  def arithmetic(out, op, a, b) do
    [a, b] = Node.together([a, b])
    {a, b} = operands(out.type, a, b)
    make(out, fn -> Native.binary(op, a, b) end)
  end

  @doc "An operation that compares its operands as they are."
  @spec predicate(Nx.Tensor.t(), atom, Nx.Tensor.t(), Nx.Tensor.t()) :: Nx.Tensor.t()
  def predicate(out, op, a, b) do
    [a, b] = Node.together([a, b])
    {a, b} = {ref(a), ref(b)}
    make(out, fn -> Native.binary(op, a, b) end)
  end

  @spec ternary(Nx.Tensor.t(), atom, [reference]) :: Nx.Tensor.t()
  def ternary(out, op, [a, b, c]), do: make(out, fn -> Native.ternary(op, a, b, c) end)

  defp operands(_out, %T{type: type} = a, %T{type: type} = b), do: {ref(a), ref(b)}

  defp operands(out, a, b) do
    merged = Nx.Type.merge(a.type, b.type)

    # A float result that is narrower is rounded after the operation, not before.
    if merged == out or Nx.Type.to_floating(merged) == out or rounded?(merged, out),
      do: {ref(a), ref(b)},
      else: {ref(a, out), ref(b, out)}
  end

  defp rounded?({:f8_e4m3fn, 8}, _out), do: false
  defp rounded?(merged, out), do: Nx.Type.float?(out) and Nx.Type.merge(merged, out) == merged
end
