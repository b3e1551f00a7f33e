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
  @spec make(reference | nil, (() -> tuple)) :: result
  def make(owner \\ nil, constructor) do
    case Memory.retry(owner, constructor) do
      {:ok, ref} ->
        {:ok, %Tensor{ref: ref}}

      {:ok, ref, :pressure} ->
        Memory.relieve(ref)
        {:ok, %Tensor{ref: ref}}

      {:error, reason, message} ->
        Error.new(reason, message)
    end
  end

  @doc "A constructor that needs the engine of a device."
  @spec create(Device.device(), (reference -> tuple)) :: result
  def create(device, constructor) do
    with {:ok, engine} <- Device.engine(device: device),
         do: make(engine, fn -> constructor.(engine) end)
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
    home = first_tensor([predicate, on_true, on_false])

    with {:ok, predicate} <- operand(predicate, home),
         {:ok, [on_true, on_false]} <- operands([on_true, on_false], false, home) do
      make(fn -> Native.ternary(:select, predicate, on_true, on_false) end)
    end
  end

  @doc """
  The reference of a tensor. A number becomes a scalar of its own type, on the device of the tensor
  `home`, else on the default one.
  """
  @spec operand(operand, Tensor.t() | nil) :: {:ok, reference} | {:error, Error.t()}
  def operand(operand, home \\ nil)
  def operand(%Tensor{ref: ref}, _home), do: {:ok, ref}

  def operand(number, home) when is_value(number),
    do: scalar(number, Type.infer([number]), home)

  def operand(other, _home),
    do: Error.new(:invalid_argument, "expected a tensor, got #{inspect(other)}")

  @doc """
  References of operands that are combined. Numbers take their type from the first tensor among them,
  and their device from it or from `home`. For comparisons they keep their precision: 0.1 is no value
  of f16.
  """
  @spec operands([operand], boolean, Tensor.t() | nil) ::
          {:ok, [reference]} | {:error, Error.t()}
  def operands(operands, comparison? \\ false, home \\ nil) do
    tensor = first_tensor(operands)

    type =
      if tensor,
        do: Native.type(tensor.ref),
        else: operands |> Enum.filter(&is_value/1) |> Type.infer()

    type = if comparison? and type in [:f8, :f8_e4m3fn, :f16, :bf16], do: :f32, else: type

    each(operands, fn
      number when is_value(number) ->
        scalar(number, Type.merge_number(type, number), tensor || home)

      other ->
        operand(other)
    end)
  end

  defp first_tensor(operands), do: Enum.find(operands, &is_struct(&1, Tensor))

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

  defp scalar(number, type, home) do
    with {:ok, value} <- native_number(number),
         {:ok, engine} <- home_engine(home),
         {:ok, %Tensor{ref: ref}} <-
           make(engine, fn -> Native.constant(engine, type, [], value) end) do
      {:ok, ref}
    end
  end

  defp home_engine(nil), do: Device.engine()
  defp home_engine(%Tensor{ref: ref}), do: {:ok, ref}

  @doc "A tensor with the same value everywhere."
  @spec constant(Device.device(), term, Type.t(), [pos_integer]) :: result
  def constant(device, value, type, shape) do
    with {:ok, value} <- native_number(value) do
      create(device, &Native.constant(&1, type, shape, value))
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
