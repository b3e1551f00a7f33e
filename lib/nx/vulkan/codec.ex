defmodule Nx.Vulkan.Codec do
  @moduledoc false
  # Numbers (see Nx.Vulkan.Number) to the bytes of the host layout and back: little endian, complex
  # numbers as re, im, and 2- and 4-bit types packed from the most significant bit on.

  import Bitwise

  # Exponent bits, mantissa bits and the largest finite code of the floating types. Infinity follows
  # the largest code, but f8_e4m3fn has none: there NaN does, and larger values saturate.
  @floats %{
    f8_e4m3fn: {4, 3, 0x7E},
    f8: {5, 2, 0x7B},
    f16: {5, 10, 0x7BFF},
    bf16: {8, 7, 0x7F7F},
    f32: {8, 23, 0x7F7FFFFF},
    f64: {11, 52, 0x7FEFFFFFFFFFFFFF}
  }

  @doc "The host layout of a list of numbers; a bitstring for 2- and 4-bit types."
  @spec encode([term], atom) :: bitstring
  def encode(numbers, type) do
    for number <- numbers, into: <<>>, do: encode_number(number, type)
  end

  for bits <- [2, 4, 8, 16, 32, 64], sign <- [:u, :s] do
    defp encode_number(x, unquote(:"#{sign}#{bits}")), do: <<integer(x)::little-unquote(bits)>>
  end

  for {type, part} <- [c64: :f32, c128: :f64] do
    defp encode_number({re, im}, unquote(type)) do
      encode_number(re, unquote(part)) <> encode_number(im, unquote(part))
    end

    defp encode_number(x, unquote(type)), do: encode_number({x, 0.0}, unquote(type))
  end

  defp encode_number(x, :f32) when is_number(x) and abs(x) < 3.4028234e38 do
    <<x::float-little-32>>
  end

  defp encode_number(x, :f64) when is_float(x), do: <<x::float-little-64>>

  for {type, {exponent, mantissa, _}} <- @floats do
    bits = 1 + exponent + mantissa

    defp encode_number(x, unquote(type)),
      do: <<float_code(x, unquote(type))::little-unquote(bits)>>
  end

  defp integer(x) when is_integer(x), do: x
  defp integer(x) when is_float(x), do: trunc(x)
  defp integer(_non_finite), do: 0

  defp float_code(:nan, :f8_e4m3fn), do: 0x7F

  defp float_code(:nan, type) do
    {_, mantissa, max} = @floats[type]
    max + 1 + (1 <<< (mantissa - 1))
  end

  defp float_code(:infinity, type), do: largest(type)
  defp float_code(:neg_infinity, type), do: sign_bit(type) ||| largest(type)

  defp float_code(x, type) when is_integer(x) do
    x * 1.0
  rescue
    ArithmeticError -> float_code(if(x > 0, do: :infinity, else: :neg_infinity), type)
  else
    float -> float_code(float, type)
  end

  # Rounds to the nearest value, ties to even. The exponent and the mantissa's leading bits of the
  # result are one integer, so that a carry out of the mantissa is right by itself.
  defp float_code(x, type) do
    {exponent_bits, mantissa, max} = @floats[type]
    <<sign::1, exponent::11, fraction::52>> = <<x::float-64>>
    target = exponent - 1023 + (1 <<< (exponent_bits - 1)) - 1
    significand = if exponent == 0, do: fraction, else: fraction ||| 1 <<< 52

    code =
      if target > 0,
        do: ((target - 1) <<< mantissa) + round_shift(significand, 52 - mantissa),
        else: round_shift(significand, 53 - mantissa - target)

    code = if code > max, do: largest(type), else: code
    if sign == 1, do: code ||| sign_bit(type), else: code
  end

  defp round_shift(x, 0), do: x

  defp round_shift(x, shift) do
    half = 1 <<< (shift - 1)
    rest = x &&& (half <<< 1) - 1
    down = x >>> shift
    if rest > half or (rest == half and (down &&& 1) == 1), do: down + 1, else: down
  end

  defp largest(:f8_e4m3fn), do: 0x7E
  defp largest(type), do: elem(@floats[type], 2) + 1

  defp sign_bit(type) do
    {exponent, mantissa, _} = @floats[type]
    1 <<< (exponent + mantissa)
  end

  @doc "The first `count` numbers of bytes in the host layout."
  @spec decode(bitstring, atom, non_neg_integer) :: [term]
  for bits <- [2, 4, 8, 16, 32, 64] do
    def decode(bytes, unquote(:"u#{bits}"), count) do
      for <<x::little-unquote(bits) <- first(bytes, count * unquote(bits))>>, do: x
    end

    def decode(bytes, unquote(:"s#{bits}"), count) do
      for <<x::signed-little-unquote(bits) <- first(bytes, count * unquote(bits))>>, do: x
    end
  end

  def decode(bytes, :c64, count), do: bytes |> decode(:f32, 2 * count) |> pairs()
  def decode(bytes, :c128, count), do: bytes |> decode(:f64, 2 * count) |> pairs()

  for {type, {exponent, mantissa, _}} <- @floats do
    bits = 1 + exponent + mantissa

    def decode(bytes, unquote(type), count) do
      bytes = first(bytes, count * unquote(bits))
      finite = finite(bytes, unquote(type))

      # The generator leaves out what is not finite.
      if length(finite) == count do
        finite
      else
        for <<code::little-unquote(bits) <- bytes>>, do: decode_float(code, unquote(type))
      end
    end
  end

  defp finite(bytes, :f16), do: for(<<x::float-little-16 <- bytes>>, do: x)
  defp finite(bytes, :f32), do: for(<<x::float-little-32 <- bytes>>, do: x)
  defp finite(bytes, :f64), do: for(<<x::float-little-64 <- bytes>>, do: x)
  defp finite(_bytes, _type), do: []

  for {type, {exponent, mantissa, max}} <- @floats do
    sign = 1 <<< (exponent + mantissa)
    bias = (1 <<< (exponent - 1)) - 1

    defp decode_float(bits, unquote(type)) do
      code = bits &&& unquote(sign - 1)
      negative? = bits != code

      cond do
        code <= unquote(max) ->
          magnitude = magnitude(code, unquote(mantissa), unquote(bias))
          if negative?, do: magnitude * -1.0, else: magnitude

        code > unquote(if type == :f8_e4m3fn, do: max, else: max + 1) ->
          :nan

        negative? ->
          :neg_infinity

        true ->
          :infinity
      end
    end
  end

  defp magnitude(code, mantissa, bias) do
    fraction = code &&& (1 <<< mantissa) - 1

    case code >>> mantissa do
      0 -> fraction * :math.pow(2, 1 - bias - mantissa)
      exponent -> (fraction + (1 <<< mantissa)) * :math.pow(2, exponent - bias - mantissa)
    end
  end

  defp first(bytes, bits) do
    <<wanted::bitstring-size(bits), _::bitstring>> = bytes
    wanted
  end

  defp pairs([]), do: []
  defp pairs([re, im | rest]), do: [{re, im} | pairs(rest)]

  @doc "Bits with zeros after them, to the end of the last byte."
  @spec whole_bytes(bitstring) :: binary
  def whole_bytes(bits) when is_binary(bits), do: bits
  def whole_bytes(bits), do: <<bits::bitstring, 0::size(8 - rem(bit_size(bits), 8))>>
end
