defmodule Nx.Vulkan.Views do
  @moduledoc false
  # Operations that move elements.

  alias Nx.Vulkan.{Api, Error, Native, Operand, Shape, Value}

  def reshape(tensor, shape) do
    with {:ok, tensor} <- Operand.one(tensor), {:ok, shape} <- Shape.parse(shape) do
      Value.make(fn -> Native.reshape(tensor.ref, shape) end)
    end
  end

  def broadcast(tensor, shape, options) do
    with {:ok, tensor, axes} <- with_axes(tensor, options),
         {:ok, shape} <- Shape.parse(shape) do
      Value.make(fn -> Native.broadcast(tensor.ref, shape, axes) end)
    end
  end

  def transpose(tensor, options) do
    with {:ok, tensor, axes} <- with_axes(tensor, options),
         do: Value.make(fn -> Native.transpose(tensor.ref, axes) end)
  end

  def slice(tensor, starts, lengths, options) do
    with {:ok, options} <- Api.options(options, [:strides]),
         {:ok, tensor} <- Operand.one(tensor),
         {:ok, starts} <- Shape.integers(starts, "starts"),
         {:ok, lengths} <- Shape.parse(lengths),
         {:ok, strides} <- Shape.integers(options[:strides], "strides") do
      Value.make(fn -> Native.slice(tensor.ref, starts || [], lengths, strides) end)
    end
  end

  def reverse(tensor, options) do
    with {:ok, tensor, axes} <- with_axes(tensor, options) do
      axes = axes || Enum.to_list(0..(tuple_size(tensor.shape) - 1)//1)
      Value.make(fn -> Native.reverse(tensor.ref, axes) end)
    end
  end

  def squeeze(tensor, options) do
    with {:ok, tensor, axes} <- with_axes(tensor, options),
         do: Value.make(fn -> Native.squeeze(tensor.ref, axes) end)
  end

  def pad(tensor, value, padding) do
    with {:ok, [tensor, value]} <- Operand.combined([tensor, value]),
         {:ok, {low, high, interior}} <- padding(padding) do
      Value.make(fn -> Native.pad(tensor.ref, value.ref, low, high, interior) end)
    end
  end

  def concatenate(tensors, options) do
    with {:ok, options} <- Api.options(options, axis: 0),
         {:ok, axis} <- Shape.axis(options[:axis], "axis"),
         {:ok, tensors} <- tensors |> List.wrap() |> Operand.map(&Operand.one/1) do
      Value.make(fn -> Native.concatenate(Enum.map(tensors, & &1.ref), axis) end)
    end
  end

  defp with_axes(tensor, options) do
    with {:ok, options} <- Api.options(options, [:axes]),
         {:ok, tensor} <- Operand.one(tensor),
         {:ok, axes} <- Shape.integers(options[:axes], "axes"),
         do: {:ok, tensor, axes}
  end

  defp padding(list) do
    with {:ok, triples} <- Operand.map(list, &triple/1) do
      [low, high, interior] = for i <- 0..2, do: Enum.map(triples, &Enum.at(&1, i))
      {:ok, {low, high, interior}}
    end
  end

  defp triple({low, high}), do: triple({low, high, 0})

  defp triple({_low, _high, _interior} = triple), do: Shape.integers(triple, "padding")

  defp triple(other) do
    Error.new(:invalid_argument, "padding: expected {low, high, interior}, got #{inspect(other)}")
  end
end
