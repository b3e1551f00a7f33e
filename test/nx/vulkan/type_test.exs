defmodule Nx.Vulkan.TypeTest do
  use ExUnit.Case, async: true

  alias Nx.Vulkan.Type

  test "atoms and Nx's tuples name the same types" do
    for {tuple, atom} <- [
          {{:f, 32}, :f32},
          {{:bf, 16}, :bf16},
          {{:u, 2}, :u2},
          {{:f, 8}, :f8},
          {{:f8_e4m3fn, 8}, :f8_e4m3fn},
          {{:c, 128}, :c128}
        ] do
      assert Type.parse(tuple) == {:ok, atom}
      assert Type.parse(atom) == {:ok, atom}
    end

    assert {:error, %Nx.Vulkan.Error{reason: :invalid_argument}} = Type.parse({:f, 33})
  end

  test "the library knows the same operations" do
    elementwise = for {name, arity, true} <- Nx.Vulkan.Native.ops(), do: {name, arity}

    for {name, _} <- Nx.Vulkan.Operations.unary(), do: assert({name, 1} in elementwise)
    for {name, _} <- Nx.Vulkan.Operations.binary(), do: assert({name, 2} in elementwise)

    offered =
      Keyword.keys(Nx.Vulkan.Operations.unary() ++ Nx.Vulkan.Operations.binary()) ++
        [:cast, :select, :clip]

    assert Enum.map(elementwise, &elem(&1, 0)) -- offered == []
  end

  test "a number joins the type of a tensor as in Nx" do
    for {type, number, merged} <- [
          {:u8, 255, :u8},
          {:u8, 256, :u16},
          {:u8, -1, :s16},
          {:u8, -32_769, :s32},
          {:s8, 127, :s8},
          {:s8, 128, :s16},
          {:s8, -129, :s16},
          {:s8, 1.0, :f32},
          {:u64, -1337, :s64},
          {:u2, 3, :u8},
          {:f16, 1.5, :f16},
          {:bf16, 1, :bf16},
          {:f64, 1.0, :f64},
          {:f8_e4m3fn, 1, :f32},
          {:s32, :nan, :f32},
          {:f32, {1, 2}, :c64},
          {:f64, {1, 2}, :c128},
          {:c64, 1.0, :c64}
        ] do
      assert {type, number, Type.merge_number(type, number)} == {type, number, merged}
    end
  end
end
