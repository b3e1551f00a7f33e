defmodule Nx.Vulkan.Graph do
  @moduledoc false
  # From what callers pass to nodes of the lazy graph: operands, constants, answers of the NIF.

  import Nx.Vulkan.Codec, only: [is_value: 1]
  alias Nx.Vulkan.{Device, Error, Memory, Native, Operations, Tensor, Type}

  @type operand :: Tensor.t() | term
  @type result :: {:ok, Tensor.t()} | {:error, Error.t()}

  @signed -0x8000000000000000..0x7FFFFFFFFFFFFFFF
  @unsigned 0..0xFFFFFFFFFFFFFFFF

  @doc "Runs a constructor of the NIF; collects garbage when it asks for that."
  @spec make((() -> tuple)) :: result
  def make(constructor) do
    case Memory.retry(constructor) do
      {:ok, ref} ->
        {:ok, %Tensor{ref: ref}}

      {:ok, ref, :pressure} ->
        Memory.relieve()
        {:ok, %Tensor{ref: ref}}

      {:error, reason, message} ->
        Error.new(reason, message)
    end
  end

  @doc "A constructor that needs the engine."
  @spec create((reference -> tuple)) :: result
  def create(constructor) do
    with {:ok, engine} <- Device.engine(), do: make(fn -> constructor.(engine) end)
  end

  @spec unary(atom, operand) :: result
  def unary(op, a) do
    with {:ok, a} <- operand(a), do: make(fn -> Native.unary(op, a) end)
  end

  @spec binary(atom, operand, operand) :: result
  def binary(op, a, b) do
    with {:ok, [a, b]} <- operands([a, b], Operations.comparison?(op)) do
      make(fn -> Native.binary(op, a, b) end)
    end
  end

  @spec clip(operand, operand, operand) :: result
  def clip(tensor, low, high) do
    with {:ok, [tensor, low, high]} <- operands([tensor, low, high]) do
      make(fn -> Native.ternary(:clip, tensor, low, high) end)
    end
  end

  @spec select(operand, operand, operand) :: result
  def select(predicate, on_true, on_false) do
    with {:ok, predicate} <- operand(predicate),
         {:ok, [on_true, on_false]} <- operands([on_true, on_false]) do
      make(fn -> Native.ternary(:select, predicate, on_true, on_false) end)
    end
  end

  @doc "The reference of a tensor; a number becomes a scalar of its own type."
  @spec operand(operand) :: {:ok, reference} | {:error, Error.t()}
  def operand(%Tensor{ref: ref}), do: {:ok, ref}
  def operand(number) when is_value(number), do: scalar(number, Type.infer([number]))
  def operand(other), do: Error.new(:invalid_argument, "expected a tensor, got #{inspect(other)}")

  @doc """
  References of operands that are combined. Numbers take their type from the first tensor among them.
  For comparisons they keep their precision: 0.1 is no value of f16.
  """
  @spec operands([operand], boolean) :: {:ok, [reference]} | {:error, Error.t()}
  def operands(operands, comparison? \\ false) do
    type =
      case Enum.find(operands, &is_struct(&1, Tensor)) do
        nil -> Type.infer(Enum.filter(operands, &is_value/1))
        tensor -> Native.type(tensor.ref)
      end

    type = if comparison? and type in [:f8, :f8_e4m3fn, :f16, :bf16], do: :f32, else: type
    each(operands, &operand(&1, type))
  end

  defp operand(number, type) when is_value(number),
    do: scalar(number, Type.merge_number(type, number))

  defp operand(other, _type), do: operand(other)

  @doc "Maps until the first error."
  @spec each([a], (a -> {:ok, b} | {:error, Error.t()})) :: {:ok, [b]} | {:error, Error.t()}
        when a: term, b: term
  def each(list, fun) do
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

  defp scalar(number, type) do
    with {:ok, %Tensor{ref: ref}} <- constant(number, type, []), do: {:ok, ref}
  end

  @doc "A tensor with the same value everywhere."
  @spec constant(term, Type.t(), [pos_integer]) :: result
  def constant(value, type, shape) do
    with {:ok, value} <- native_number(value) do
      create(&Native.constant(&1, type, shape, value))
    end
  end

  # 64 bits; the upper half of u64 travels in two's complement.
  defp native_number(x) when is_integer(x) and x in @signed, do: {:ok, x}
  defp native_number(x) when is_integer(x) and x in @unsigned, do: {:ok, x - @unsigned.last - 1}
  defp native_number(x) when not is_integer(x) and is_value(x), do: {:ok, x}

  defp native_number(x) do
    Error.new(:invalid_argument, "expected a number of at most 64 bits, got #{inspect(x)}")
  end
end
