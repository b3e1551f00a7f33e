defmodule Nx.Vulkan.Reading do
  @moduledoc false
  # Elements of tensors as Elixir's terms, and what becomes of their values.

  alias Nx.Vulkan.{Codec, Error, Native, Operand, Reader, Shape, Type}

  def to_list(tensor) do
    with {:ok, tensor} <- Operand.one(tensor), {:ok, bytes} <- Reader.read(tensor) do
      numbers = Codec.decode(bytes, tensor.type, Tuple.product(tensor.shape))
      {:ok, Shape.nest(numbers, Tuple.to_list(tensor.shape))}
    end
  end

  def to_number(tensor) do
    with {:ok, tensor} <- Operand.one(tensor),
         :ok <- Shape.check_count(1, Tuple.to_list(tensor.shape)),
         {:ok, bytes} <- Reader.read(tensor) do
      {:ok, bytes |> Codec.decode(tensor.type, 1) |> hd()}
    end
  end

  def to_binary(tensor) do
    with {:ok, tensor} <- Operand.one(tensor), {:ok, bytes} <- Reader.read(tensor) do
      bits = Tuple.product(tensor.shape) * Type.bits(tensor.type)
      <<elements::bitstring-size(bits), _padding::bitstring>> = bytes
      {:ok, elements}
    end
  end

  def eval(tensor) do
    with {:ok, tensor} <- Operand.one(tensor), :ok <- Reader.evaluate(tensor) do
      {:ok, tensor}
    end
  end

  def deallocate(tensor) do
    with {:ok, tensor} <- Operand.one(tensor),
         do: Error.from_native(Native.deallocate(tensor.ref))
  end
end
