defmodule Nx.Vulkan.Contraction do
  @moduledoc false
  # Operations that fold axes: reductions and products.

  alias Nx.Vulkan.{Api, Error, Native, Operand, Precision, Shape, Value}

  def reduce(op, tensor, options) do
    with {:ok, options} <- Api.options(options, axes: nil, keep_axes: false),
         {:ok, keep_axes} <- boolean(options[:keep_axes]),
         {:ok, tensor} <- Operand.one(tensor),
         {:ok, axes} <- Shape.integers(options[:axes], "axes") do
      Value.make(fn -> Native.reduce(op, tensor.ref, axes, keep_axes) end)
    end
  end

  def matmul(a, b, options) do
    with {:ok, options} <- Api.options(options, precision: nil),
         {:ok, precision} <- precision(options),
         {:ok, [a, b]} <- Operand.combined([a, b]),
         do: Value.make(fn -> Native.matmul(a.ref, b.ref, precision) end)
  end

  def dot(a, b, options) do
    with {:ok, options} <- Api.options(options, contract: nil, batch: {[], []}, precision: nil),
         {:ok, precision} <- precision(options),
         {:ok, [a, b]} <- Operand.combined([a, b]),
         {:ok, contract_a, contract_b} <- axis_pair(options[:contract] || default_axes(a, b)),
         {:ok, batch_a, batch_b} <- axis_pair(options[:batch]) do
      axes = [contract_a, contract_b, batch_a, batch_b]
      Value.make(fn -> apply(Native, :dot, [a.ref, b.ref] ++ axes ++ [precision]) end)
    end
  end

  defp precision(options) do
    with {:ok, precision} <- Precision.validate(options[:precision]),
         do: {:ok, Precision.to_native(precision || Precision.configured())}
  end

  defp boolean(value) when is_boolean(value), do: {:ok, value}

  defp boolean(other) do
    Error.new(:invalid_argument, "keep_axes: expected true or false, got #{inspect(other)}")
  end

  defp default_axes(a, b) do
    case {tuple_size(a.shape), tuple_size(b.shape)} do
      {0, _} -> {[], []}
      {_, 0} -> {[], []}
      {_, 1} -> {[-1], [0]}
      _ -> {[-1], [-2]}
    end
  end

  defp axis_pair({a, b}) do
    with {:ok, a} <- Shape.integers(a, "axes"), {:ok, b} <- Shape.integers(b, "axes") do
      {:ok, a || [], b || []}
    end
  end

  defp axis_pair(other) do
    Error.new(:invalid_argument, "expected {axes of a, axes of b}, got #{inspect(other)}")
  end
end
