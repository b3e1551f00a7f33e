defmodule Nx.Vulkan.Creation do
  @moduledoc false
  # Tensors from the host's data, and tensors from nothing.

  import Nx.Vulkan.Number, only: [is_real: 1, is_value: 1]
  alias Nx.Vulkan.{Api, Codec, Device, Error, Native, Number, Operand, Shape, Type, Value}

  def tensor(data, options) do
    with {:ok, options} <- Api.options(options, [:type, :shape, :device]),
         {:ok, elements, shape} <- Shape.flatten(data),
         :ok <- check_values(elements),
         {:ok, type} <- Type.parse(options[:type] || Type.infer(elements)),
         :ok <- check_type(elements, type),
         {:ok, shape} <- Shape.parse(options[:shape] || shape),
         :ok <- Shape.check_count(length(elements), shape) do
      upload(options[:device], Codec.encode(elements, type), shape, type)
    end
  end

  def from_binary(binary, shape, type, options) do
    with {:ok, options} <- Api.options(options, [:device]),
         {:ok, type} <- Type.parse(type),
         :ok <- check_bitstring(binary),
         {:ok, shape} <- Shape.parse(shape),
         :ok <- check_size(binary, shape, type) do
      upload(options[:device], binary, shape, type)
    end
  end

  def full(shape, value, options) do
    with {:ok, options} <- Api.options(options, [:type, :device]),
         {:ok, shape} <- Shape.parse(shape),
         :ok <- check_values([value]),
         {:ok, type} <- Type.parse(options[:type] || Type.infer([value])),
         :ok <- check_type([value], type),
         {:ok, value} <- Number.to_native(value) do
      Value.create(options[:device], &Native.constant(&1, type, shape, value))
    end
  end

  def iota(shape, options) do
    with {:ok, options} <- Api.options(options, axis: nil, type: :s32, device: nil),
         {:ok, shape} <- Shape.parse(shape),
         {:ok, type} <- Type.parse(options[:type]),
         {:ok, axis} <- optional_axis(options[:axis]) do
      Value.create(options[:device], &Native.iota(&1, type, shape, axis))
    end
  end

  defp optional_axis(nil), do: {:ok, nil}
  defp optional_axis(axis), do: Shape.axis(axis, "axis")

  def eye(shape, options) do
    shape = if is_integer(shape), do: {shape, shape}, else: shape

    with {:ok, options} <- Api.options(options, type: :s32, device: nil),
         {:ok, shape} <- Shape.parse(shape),
         {:ok, type} <- Type.parse(options[:type]) do
      Value.create(options[:device], &Native.eye(&1, type, shape))
    end
  end

  def random_uniform(shape, seed, options) do
    defaults = [type: :f32, low: 0.0, high: 1.0, offset: 0, device: nil]
    random(&Native.random_uniform/7, shape, seed, options, defaults, [:low, :high])
  end

  def random_normal(shape, seed, options) do
    defaults = [type: :f32, mean: 0.0, deviation: 1.0, offset: 0, device: nil]
    random(&Native.random_normal/7, shape, seed, options, defaults, [:mean, :deviation])
  end

  defp random(generate, shape, seed, options, defaults, parameters) do
    with {:ok, options} <- Api.options(options, defaults),
         {:ok, shape} <- Shape.parse(shape),
         {:ok, type} <- Type.parse(options[:type]),
         :ok <- check_counter(seed, "seed"),
         :ok <- check_counter(options[:offset], "offset"),
         :ok <- check_parameters(Enum.map(parameters, &options[&1])),
         {:ok, [a, b]} <- Operand.map(parameters, &Number.to_real(options[&1])) do
      Value.create(options[:device], &generate.(&1, type, shape, seed, options[:offset], a, b))
    end
  end

  # The library takes whole bytes.
  defp upload(device, bits, shape, type) do
    with {:ok, engine} <- Device.engine(device: device),
         do: Value.upload(engine, type, shape, Codec.whole_bytes(bits))
  end

  defp check_values(elements) do
    case Enum.find(elements, &(not is_value(&1))) do
      nil -> :ok
      other -> Error.new(:invalid_argument, "expected a number, got #{inspect(other)}")
    end
  end

  defp check_type(elements, type) do
    cond do
      Type.float?(type) ->
        if type not in [:c64, :c128] and not Enum.all?(elements, &is_real/1),
          do: Error.new(:invalid_argument, "a complex number is no element of type #{type}"),
          else: :ok

      other = Enum.find(elements, &(not Number.fits?(&1))) ->
        Error.new(:invalid_argument, "#{inspect(other)} is no element of type #{type}")

      true ->
        :ok
    end
  end

  defp check_bitstring(binary) when is_bitstring(binary), do: :ok

  defp check_bitstring(other),
    do: Error.new(:invalid_argument, "expected a binary, got #{inspect(other)}")

  # The last byte of a packed type may be filled up.
  defp check_size(binary, shape, type) do
    bits = Enum.product(shape) * Type.bits(type)

    cond do
      binary == <<>> -> Error.new(:empty_tensor, "a tensor has at least one element")
      bit_size(binary) in [bits, div(bits + 7, 8) * 8] -> :ok
      true -> Shape.mismatch("#{bit_size(binary)} bits of type #{type}", shape)
    end
  end

  defp check_counter(n, _name) when is_integer(n) and n in 0..0xFFFFFFFFFFFFFFFF, do: :ok

  defp check_counter(other, name) do
    Error.new(:invalid_argument, "#{name}: expected 0 to 2^64 - 1, got #{inspect(other)}")
  end

  defp check_parameters(parameters) do
    if Enum.all?(parameters, &is_number/1),
      do: :ok,
      else: Error.new(:invalid_argument, "expected numbers, got #{inspect(parameters)}")
  end
end
