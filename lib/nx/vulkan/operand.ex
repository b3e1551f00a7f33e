defmodule Nx.Vulkan.Operand do
  @moduledoc false
  # What callers pass where a tensor is expected: a tensor, or a number, which becomes a scalar.

  import Nx.Vulkan.Number, only: [is_value: 1]
  import Nx.Vulkan.Shape, only: [is_proper: 1]
  alias Nx.Vulkan.{Device, Error, Native, Number, Tensor, Type, Value}

  @type t :: Tensor.t() | term

  @doc """
  An operand as a tensor. A number becomes a scalar of its own type, on the device of the tensor
  `home`, else on the default one.
  """
  @spec one(t, Tensor.t() | nil) :: {:ok, Tensor.t()} | {:error, Error.t()}
  def one(operand, home \\ nil)
  def one(%Tensor{} = tensor, _home), do: {:ok, tensor}

  def one(number, home) when is_value(number), do: scalar(number, Type.infer([number]), home)

  def one(other, _home),
    do: Error.new(:invalid_argument, "expected a tensor, got #{inspect(other)}")

  @doc "Operands that are each what they are, on one device."
  @spec each([t]) :: {:ok, [Tensor.t()]} | {:error, Error.t()}
  def each(operands) do
    home = first_tensor(operands)
    map(operands, &one(&1, home))
  end

  @doc """
  Operands that are combined. Numbers take their type from the first tensor among them, and their device
  from it or from `home`. For comparisons they keep their precision: 0.1 is no value of f16.
  """
  @spec combined([t], boolean, Tensor.t() | nil) :: {:ok, [Tensor.t()]} | {:error, Error.t()}
  def combined(operands, comparison? \\ false, home \\ nil) do
    tensor = first_tensor(operands)

    type =
      if tensor,
        do: tensor.type,
        else: operands |> Enum.filter(&is_value/1) |> Type.infer()

    type = if comparison? and type in [:f8, :f8_e4m3fn, :f16, :bf16], do: :f32, else: type

    map(operands, fn
      number when is_value(number) ->
        scalar(number, Type.merge_number(type, number), tensor || home)

      other ->
        one(other)
    end)
  end

  @spec first_tensor([t]) :: Tensor.t() | nil
  def first_tensor(operands), do: Enum.find(operands, &is_struct(&1, Tensor))

  @doc "Maps until the first error. What is no list is one, too."
  @spec map([a], (a -> {:ok, b} | {:error, Error.t()})) :: {:ok, [b]} | {:error, Error.t()}
        when a: term, b: term
  def map(list, fun)

  def map(list, fun) when is_proper(list) do
    list
    |> Enum.reduce_while([], fn item, done ->
      case fun.(item) do
        {:ok, value} -> {:cont, [value | done]}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
    |> case do
      {:error, error} -> {:error, error}
      done -> {:ok, Enum.reverse(done)}
    end
  end

  def map(other, _fun),
    do: Error.new(:invalid_argument, "expected a list, got #{inspect(other)}")

  defp scalar(number, type, home) do
    with {:ok, value} <- Number.to_native(number),
         {:ok, engine} <- engine(home),
         do: Value.make(engine, fn -> Native.constant(engine, type, [], value) end)
  end

  # A tensor's reference stands for its engine.
  defp engine(nil), do: Device.engine()
  defp engine(%Tensor{ref: ref}), do: {:ok, ref}
end
