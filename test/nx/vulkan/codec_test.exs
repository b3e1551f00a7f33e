defmodule Nx.Vulkan.CodecTest do
  use ExUnit.Case, async: true

  alias Nx.Vulkan.{Codec, Type}

  defp round_trip(values, type) do
    values |> Codec.encode(type) |> Codec.decode(type, length(values))
  end

  test "integers wrap to their width" do
    for type <- Type.all(), <<kind, rest::binary>> = to_string(type), kind in [?u, ?s] do
      bits = String.to_integer(rest)
      low = if kind == ?u, do: 0, else: -(2 ** (bits - 1))
      values = [0, 1, low, low + 2 ** bits - 1]
      assert round_trip(values, type) == values
      assert round_trip([low + 2 ** bits], type) == [low]
    end
  end

  test "2- and 4-bit types are packed from the most significant bit on" do
    assert Codec.encode([1, -1, 3], :s4) == <<31, 3::4>>
    assert Codec.encode([3, 0, 1], :u2) == <<3::2, 0::2, 1::2>>
  end

  test "what is not finite has its own bits" do
    assert Codec.encode([:nan, :infinity, :neg_infinity], :f32) ==
             <<0x7FC00000::little-32, 0x7F800000::little-32, 0xFF800000::little-32>>

    for type <- [:f8, :bf16, :f16, :f32, :f64] do
      values = [:nan, 1.0, :infinity, -2.0, :neg_infinity]
      assert round_trip(values, type) == values
    end
  end

  test "numbers too large for a type become infinite, or the largest of f8_e4m3fn" do
    assert round_trip([1.0e300, -1.0e300], :f32) == [:infinity, :neg_infinity]
    assert round_trip([65_519.0, 65_520.0], :f16) == [65_504.0, :infinity]
    assert round_trip([10 ** 400, -(10 ** 400)], :f64) == [:infinity, :neg_infinity]
    assert round_trip([1.0e9, -1.0e9, :infinity], :f8_e4m3fn) == [448.0, -448.0, 448.0]
  end

  test "floats round to nearest, ties to even" do
    assert round_trip([1.0 + 2 ** -11, 1.0 + 3 * 2 ** -11], :f16) == [1.0, 1.0 + 2 ** -9]
    assert round_trip([1.0 + 2 ** -8, 1.0 + 3 * 2 ** -8], :bf16) == [1.0, 1.0 + 2 ** -6]
    # A carry runs into the exponent.
    assert round_trip([1.999], :f8) == [2.0]
    assert round_trip([0.1], :f32) == [0.10000000149011612]
  end

  test "16-bit floats agree with the VM's, subnormals included" do
    for code <- [0x0001, 0x03FF, 0x0400, 0x3C01, 0x7BFF, 0x8001, 0xFBFF] do
      <<x::float-16>> = <<code::16>>
      assert Codec.encode([x], :f16) == <<code::little-16>>
    end

    for x <- [1.0e-7, 3.0e-8, 2.9e-8, 0.333, 1234.5, -5.960464477539063e-8] do
      assert Codec.encode([x], :f16) == <<x::float-little-16>>
    end
  end

  test "every code of the 8-bit floats survives" do
    for type <- [:f8, :f8_e4m3fn], code <- 0..255 do
      [x] = Codec.decode(<<code>>, type, 1)
      if x != :nan, do: assert(Codec.encode([x], type) == <<code>>)
    end

    assert Codec.decode(<<0x7E, 0x01, 0x38>>, :f8_e4m3fn, 3) == [448.0, 2 ** -9, 1.0]
    assert Codec.decode(<<0x7B, 0x01, 0x3C>>, :f8, 3) == [57_344.0, 2 ** -16, 1.0]
  end

  test "complex numbers are two parts" do
    assert Codec.encode([{1.0, -2.0}], :c64) == <<1.0::float-little-32, -2.0::float-little-32>>
    assert round_trip([{1.5, :nan}, 2.0], :c128) == [{1.5, :nan}, {2.0, 0.0}]
  end
end
