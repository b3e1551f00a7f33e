defmodule Nx.Vulkan.ShapeTest do
  use ExUnit.Case, async: true

  alias Nx.Vulkan.{Error, Shape}

  test "shapes are tuples, lists or one dimension" do
    assert Shape.parse({2, 3}) == {:ok, [2, 3]}
    assert Shape.parse([2, 3]) == {:ok, [2, 3]}
    assert Shape.parse(4) == {:ok, [4]}
    assert Shape.parse({}) == {:ok, []}
    assert {:error, %Error{reason: :empty_tensor}} = Shape.parse({2, 0})
    assert {:error, %Error{reason: :invalid_argument}} = Shape.parse({2, -1})
    assert {:error, %Error{reason: :invalid_argument}} = Shape.parse("2")
  end

  test "nest/2 is the inverse of flatten/1" do
    for data <- [[1, 2], [[1, 2], [3, 4]], [[[1], [2]], [[3], [4]], [[5], [6]]]] do
      {:ok, elements, shape} = Shape.flatten(data)
      assert Shape.nest(elements, shape) == data
    end

    assert Shape.flatten(3) == {:ok, [3], []}
    assert {:error, %Error{reason: :size_mismatch}} = Shape.flatten([[1], [2, 3]])
    assert {:error, %Error{reason: :size_mismatch}} = Shape.flatten([[1], [[2]]])
    assert {:error, %Error{reason: :empty_tensor}} = Shape.flatten([[]])
  end
end
