defmodule Nx.Vulkan.Elementwise do
  @moduledoc false
  # Operations whose result has an element for each element of their operands.

  alias Nx.Vulkan.{Native, Operand, Operations, Type, Value}

  def unary(op, a) do
    with {:ok, a} <- Operand.one(a), do: Value.make(fn -> Native.unary(op, a.ref) end)
  end

  def binary(op, a, b) do
    with {:ok, [a, b]} <- Operand.combined([a, b], Operations.comparison?(op)) do
      Value.make(fn -> Native.binary(op, a.ref, b.ref) end)
    end
  end

  def clip(tensor, low, high) do
    with {:ok, [tensor, low, high]} <- Operand.combined([tensor, low, high]) do
      Value.make(fn -> Native.ternary(:clip, tensor.ref, low.ref, high.ref) end)
    end
  end

  # The predicate has no part in the type.
  def select(predicate, on_true, on_false) do
    home = Operand.first_tensor([predicate, on_true, on_false])

    with {:ok, predicate} <- Operand.one(predicate, home),
         {:ok, [on_true, on_false]} <- Operand.combined([on_true, on_false], false, home) do
      Value.make(fn -> Native.ternary(:select, predicate.ref, on_true.ref, on_false.ref) end)
    end
  end

  def cast(tensor, type) do
    with {:ok, tensor} <- Operand.one(tensor), {:ok, type} <- Type.parse(type) do
      Value.make(fn -> Native.cast(tensor.ref, type) end)
    end
  end
end
