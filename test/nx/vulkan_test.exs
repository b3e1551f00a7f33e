defmodule Nx.VulkanTest do
  use ExUnit.Case, async: true
  @moduletag :device

  alias Nx.Vulkan, as: V

  doctest Nx.Vulkan

  defp list!(tensor), do: V.to_list!(tensor)

  describe "the first steps" do
    test "adds" do
      t = V.tensor!([1.0, 2.0, 3.0, 4.0])
      assert list!(V.add!(t, t)) == [2.0, 4.0, 6.0, 8.0]
    end

    test "exp and sum" do
      t = V.tensor!([1.0, 2.0, 3.0, 4.0])

      for {got, x} <- Enum.zip(list!(V.exp!(t)), 1..4) do
        assert_in_delta got, :math.exp(x), 1.0e-6 * :math.exp(x)
      end

      assert V.to_number!(V.sum!(t)) == 10.0
    end

    test "what only the data can show" do
      zeros = V.multiply!(V.iota!({4}), 0)
      minus = V.subtract!(zeros, 1)

      for {reason, result} <- [
            arithmetic: V.quotient!(V.iota!({4}), zeros),
            arithmetic: V.remainder!(V.iota!({4}), zeros),
            arithmetic: V.pow!(V.iota!({4}), minus),
            negative_shift: V.left_shift!(V.iota!({4}), minus),
            negative_shift: V.right_shift!(V.iota!({4}), minus)
          ] do
        assert V.to_list(result) == {:error, reason}
        assert V.to_list(V.sum!(result)) == {:error, reason}
      end

      error = assert_raise V.Error, fn -> V.to_list!(V.quotient!(V.iota!({4}), V.iota!({4}))) end

      assert error.message ==
               "integer division by zero in quotient at element 0 of a result of shape {4}"
    end

    test "division by zero" do
      assert V.divide!(V.tensor!([1, -1, 0]), V.tensor!([0, 0, 0])) |> list!() ==
               [:infinity, :neg_infinity, :nan]
    end
  end

  describe "tensor/2" do
    test "infers type and shape" do
      for {data, type, shape} <- [
            {5, :s32, {}},
            {[1, 2], :s32, {2}},
            {[1, 2.0], :f32, {2}},
            {[1, :nan], :f32, {2}},
            {[[1, 2, 3], [4, 5, 6]], :s32, {2, 3}},
            {[[[1.5]]], :f32, {1, 1, 1}}
          ] do
        t = V.tensor!(data)
        assert V.type(t) == type
        assert V.shape(t) == shape
        assert list!(t) == if(shape == {}, do: [data], else: data)
      end
    end

    test "takes a type and a shape" do
      t = V.tensor!([1, 2, 3, 4, 5, 6], type: {:f, 32}, shape: {2, 3})
      assert V.type(t) == :f32
      assert list!(t) == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    end

    test "keeps what is not finite" do
      values = [:nan, :infinity, :neg_infinity, 0.0, 1.5]
      for type <- [:f32], do: assert(V.tensor!(values, type: type) |> list!() == values)
    end

    test "refuses what has no meaning" do
      assert V.tensor([]) == {:error, :empty_tensor}
      assert V.tensor([[], []]) == {:error, :empty_tensor}
      assert V.tensor([[1, 2], [3]]) == {:error, :size_mismatch}
      assert V.tensor([[1, 2], 3]) == {:error, :size_mismatch}
      assert V.tensor([1, [2]]) == {:error, :size_mismatch}
      assert V.tensor([1, 2, 3], shape: {2, 2}) == {:error, :size_mismatch}
      assert V.tensor([1], shape: {0}) == {:error, :empty_tensor}
      assert V.tensor([:one]) == {:error, :invalid_argument}
      assert V.tensor([1.5], type: :s32) == {:error, :invalid_argument}
      assert V.tensor([1], type: :f31) == {:error, :invalid_argument}
      assert V.tensor([1], colour: :red) == {:error, :invalid_argument}
    end
  end

  describe "from_binary/3" do
    test "is the inverse of to_binary/1" do
      for n <- [1, 255, 256, 257, 1023, 20_000] do
        bytes = for i <- 1..n, into: <<>>, do: <<i * 0.5::float-little-32>>
        assert V.from_binary!(bytes, {n}, :f32) |> V.to_binary!() == bytes
      end
    end

    test "takes parts of binaries" do
      bytes = for i <- 0..99, into: <<>>, do: <<i::little-32>>
      part = binary_part(bytes, 40, 200)
      assert V.from_binary!(part, {50}, :s32) |> list!() == Enum.to_list(10..59)

      large = <<1::1, :binary.copy(<<7>>, 100_000)::binary, 0::7>>
      <<_::1, unaligned::binary-size(100_000), _::7>> = large
      assert V.from_binary!(unaligned, {100_000}, :u8) |> V.to_binary!() == unaligned
    end

    test "checks sizes before the device is asked" do
      assert V.from_binary(<<0::64>>, {3}, :f32) == {:error, :size_mismatch}
      assert V.from_binary(<<>>, {1}, :f32) == {:error, :empty_tensor}
      assert V.from_binary(<<0::32>>, {1, 0}, :f32) == {:error, :empty_tensor}
      assert V.from_binary(:none, {1}, :f32) == {:error, :invalid_argument}
      assert V.from_binary(<<0::32>>, {-1}, :f32) == {:error, :invalid_argument}
    end
  end

  describe "numbers as operands" do
    test "take the tensor's type when they fit" do
      for {tensor, number, type} <- [
            {V.tensor!([1.0]), 2, :f32},
            {V.tensor!([1]), 2, :s32},
            {V.tensor!([1]), 2.5, :f32},
            {V.tensor!([1], type: :u8), 255, :u8}
          ] do
        assert V.type(V.add!(tensor, number)) == type
        assert V.type(V.add!(number, tensor)) == type
      end
    end

    test "on either side and on both" do
      t = V.tensor!([1.0, 2.0])
      assert list!(V.subtract!(t, 1)) == [0.0, 1.0]
      assert list!(V.subtract!(1, t)) == [0.0, -1.0]
      assert V.to_number!(V.add!(1, 2)) == 3
      assert V.to_number!(V.divide!(1, 2)) == 0.5
      assert list!(V.multiply!(t, :infinity)) == [:infinity, :infinity]
    end

    test "but nothing else" do
      assert V.add(V.tensor!(1), :one) == {:error, :invalid_argument}
      assert V.add("1", 1) == {:error, :invalid_argument}
      assert V.add(V.tensor!(1), 2 ** 70) == {:error, :invalid_argument}
    end
  end

  describe "elementwise" do
    test "every function of the table exists, in both variants" do
      for {name, _} <- Nx.Vulkan.Operations.unary() do
        assert function_exported?(V, name, 1)
        assert function_exported?(V, :"#{name}!", 1)
      end

      for {name, _} <- Nx.Vulkan.Operations.binary() do
        assert function_exported?(V, name, 2)
        assert function_exported?(V, :"#{name}!", 2)
      end
    end

    test "broadcasts" do
      a = V.tensor!([[1.0], [2.0]])
      b = V.tensor!([10.0, 20.0, 30.0])
      assert list!(V.add!(a, b)) == [[11.0, 21.0, 31.0], [12.0, 22.0, 32.0]]
    end

    test "refuses shapes that do not fit, and says which" do
      a = V.tensor!([1.0, 2.0])
      b = V.tensor!([1.0, 2.0, 3.0])
      assert V.add(a, b) == {:error, :size_mismatch}
      error = assert_raise Nx.Vulkan.Error, fn -> V.add!(a, b) end
      assert error.reason == :size_mismatch
      assert error.message =~ "add"
    end

    test "comparisons answer u8" do
      t = V.less!(V.tensor!([1.0, 2.0, :nan]), 2.0)
      assert V.type(t) == :u8
      assert list!(t) == [1, 0, 0]
    end

    test "select and clip" do
      t = V.tensor!([-1.0, 0.5, 2.0])
      assert list!(V.clip!(t, 0, 1)) == [0.0, 0.5, 1.0]
      assert list!(V.select!(V.greater!(t, 0), t, 0.0)) == [0.0, 0.5, 2.0]
    end

    test "clip propagates NaN, of the tensor and of a bound, in every type" do
      for type <- [:f8, :f8_e4m3fn, :f16, :bf16, :f32, :f64] do
        t = V.tensor!([:nan, 5.0], type: type)
        # Computed values as well as those that the host knows.
        for x <- [t, V.multiply!(t, V.broadcast!(V.tensor!(1.0, type: type), {2}))] do
          assert list!(V.clip!(x, 0, 1)) == [:nan, 1.0]
          assert list!(V.clip!(x, :nan, 6)) == [:nan, :nan]
          assert list!(V.clip!(x, 0, :nan)) == [:nan, :nan]
        end
      end
    end

    test "cast" do
      t = V.cast!(V.tensor!([1.5, -1.5, 3.0]), :s32)
      assert {V.type(t), list!(t)} == {:s32, [1, -1, 3]}
      assert V.cast(t, :f33) == {:error, :invalid_argument}
    end
  end

  describe "views" do
    setup do: %{t: V.reshape!(V.iota!({6}), {2, 3})}

    test "reshape, transpose, broadcast", %{t: t} do
      assert list!(t) == [[0, 1, 2], [3, 4, 5]]
      assert list!(V.transpose!(t)) == [[0, 3], [1, 4], [2, 5]]
      assert list!(V.transpose!(t, axes: [0, 1])) == list!(t)
      assert list!(V.broadcast!(V.tensor!([1, 2]), {2, 2})) == [[1, 2], [1, 2]]
      assert list!(V.broadcast!(V.tensor!([1, 2]), {2, 2}, axes: [0])) == [[1, 1], [2, 2]]
      assert V.reshape(t, {7}) == {:error, :size_mismatch}
      assert V.transpose(t, axes: [0]) == {:error, :invalid_argument}
    end

    test "slice, reverse, squeeze, pad, concatenate", %{t: t} do
      assert list!(V.slice!(t, [0, 1], [2, 2])) == [[1, 2], [4, 5]]
      assert list!(V.slice!(t, [0, 0], [1, 3], strides: [1, 2])) == [[0, 2]]
      assert list!(V.reverse!(t)) == [[5, 4, 3], [2, 1, 0]]
      assert list!(V.reverse!(t, axes: [1])) == [[2, 1, 0], [5, 4, 3]]
      assert V.shape(V.squeeze!(V.reshape!(t, {1, 6}))) == {6}
      assert list!(V.pad!(V.tensor!([1, 2]), 0, [{1, 2, 1}])) == [0, 1, 0, 2, 0, 0]
      assert list!(V.concatenate!([t, t])) == [[0, 1, 2], [3, 4, 5], [0, 1, 2], [3, 4, 5]]
      assert V.concatenate([]) == {:error, :invalid_argument}
      assert V.slice(t, [0], [1]) == {:error, :invalid_argument}
      assert V.pad(t, 0, [{1, 1, 0}]) == {:error, :invalid_argument}
    end
  end

  describe "creation" do
    test "full, iota, eye" do
      assert list!(V.full!({2, 2}, 7)) == [[7, 7], [7, 7]]
      assert V.type(V.full!({2}, 1.5)) == :f32
      assert list!(V.iota!({2, 2}, axis: 0, type: :f32)) == [[0.0, 0.0], [1.0, 1.0]]
      assert list!(V.eye!(2)) == [[1, 0], [0, 1]]
    end

    test "random numbers repeat with their seed" do
      a = V.random_uniform!({1000}, 42, low: -1.0, high: 1.0)
      assert list!(a) == list!(V.random_uniform!({1000}, 42, low: -1.0, high: 1.0))
      assert list!(a) != list!(V.random_uniform!({1000}, 43, low: -1.0, high: 1.0))
      assert Enum.all?(list!(a), &(&1 >= -1.0 and &1 < 1.0))

      n = list!(V.random_normal!({10_000}, 1, mean: 3.0, deviation: 2.0))
      mean = Enum.sum(n) / 10_000
      assert_in_delta mean, 3.0, 5 * 2.0 / 100
      assert_in_delta Enum.sum(Enum.map(n, &((&1 - mean) ** 2))) / 10_000, 4.0, 0.4
    end

    test "normal numbers are finite in every type" do
      for type <- [:f8, :f8_e4m3fn, :bf16, :f16, :f32] do
        n = V.random_normal!({1_000_000}, 7, type: type)
        strange = V.logical_or!(V.is_nan!(n), V.is_infinity!(n))
        assert V.to_number!(V.any!(strange)) == 0
      end
    end

    test "refuses seeds and parameters that are no numbers" do
      assert V.random_uniform({2}, -1) == {:error, :invalid_argument}
      assert V.random_normal({2}, 1, mean: :nan) == {:error, :invalid_argument}
    end
  end

  describe "reductions" do
    setup do: %{t: V.tensor!([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])}

    test "over all axes and over some", %{t: t} do
      assert V.to_number!(V.sum!(t)) == 21.0
      assert list!(V.sum!(t, axes: [0])) == [5.0, 7.0, 9.0]
      assert list!(V.sum!(t, axes: [-1])) == [6.0, 15.0]
      assert list!(V.sum!(t, axes: 1, keep_axes: true)) == [[6.0], [15.0]]
      assert V.to_number!(V.product!(t)) == 720.0
      assert V.to_number!(V.reduce_max!(t)) == 6.0
      assert list!(V.reduce_min!(t, axes: [0])) == [1.0, 2.0, 3.0]
      assert V.to_number!(V.all!(t)) == 1
      assert V.to_number!(V.any!(V.subtract!(t, t))) == 0
    end

    test "refuse axes that are not there", %{t: t} do
      assert V.sum(t, axes: [2]) == {:error, :invalid_argument}
      assert V.sum(t, axes: :rows) == {:error, :invalid_argument}
      assert V.sum(t, keep_axes: 1) == {:error, :invalid_argument}
    end
  end

  describe "contractions" do
    test "matmul and dot" do
      a = V.tensor!([[1.0, 2.0], [3.0, 4.0]])
      assert list!(V.matmul!(a, V.eye!(2, type: :f32))) == list!(a)
      assert V.matmul(a, V.tensor!([[1.0, 2.0]])) == {:error, :size_mismatch}
      v = V.tensor!([1.0, 2.0, 3.0])
      assert V.to_number!(V.dot!(v, v)) == 14.0
      assert list!(V.dot!(a, a)) == [[7.0, 10.0], [15.0, 22.0]]
      assert V.dot(a, a, contract: [0]) == {:error, :invalid_argument}
    end
  end

  describe "tensors" do
    test "are inspected with type, shape and values" do
      assert inspect(V.tensor!([[1, 2], [3, 4]])) ==
               "#Nx.Vulkan.Tensor<\n  s32[2][2]\n  [[1, 2], [3, 4]]\n>"

      assert inspect(V.tensor!([1.0, :nan, :neg_infinity])) =~ "[1.0, NaN, -Inf]"
      assert inspect(V.iota!({1000}), limit: 3) =~ "[0, 1, 2, ...]"
      assert inspect(V.iota!({2, 2}), limit: 1) =~ "[[0, ...], ...]"
    end

    test "answer :deallocated after deallocate/1" do
      t = V.tensor!([1.0, 2.0]) |> V.eval!()
      assert V.deallocate(t) == :ok
      assert V.deallocate(t) == {:error, :deallocated}
      assert V.to_list(t) == {:error, :deallocated}
      assert inspect(t) =~ "unavailable"
      assert V.add(t, 1) == {:error, :deallocated}
      assert V.eval(t) == {:error, :deallocated}
      assert V.explain(t) == {:error, :deallocated}
      assert V.shape(t) == {2}
    end

    test "keep what was computed of a deallocated one" do
      t = V.add!(V.iota!({3}), 1)
      copy = %{t | ref: t.ref}
      results = [V.multiply!(t, 2), V.reshape!(t, {3, 1}), V.slice!(t, [1], [2]), V.sum!(t)]
      assert V.deallocate(t) == :ok
      assert V.deallocate(copy) == {:error, :deallocated}
      assert V.to_list(copy) == {:error, :deallocated}
      assert Enum.map(results, &V.to_list!/1) == [[2, 4, 6], [[1], [2], [3]], [2, 3], [6]]
    end

    test "explain themselves" do
      t = V.add!(V.tensor!([1.0]), 1.0)
      assert {:ok, text} = V.explain(t)
      assert text =~ "kernel pointwise: "
      refute text =~ "param out"
      assert V.explain!(t, ir: true) =~ "param out: buffer"
      assert V.explain(t, spirv: true) == {:error, :invalid_argument}
    end

    test "tell that definitions need Nx" do
      unless Code.ensure_loaded?(Nx.Vulkan.Compiler) do
        assert V.explain(fn x -> x end, [V.tensor!(1)]) == {:error, :unsupported}
        assert V.profile(fn x -> x end, [V.tensor!(1)]) == {:error, :unsupported}
      end
    end

    test "are profiled" do
      t = V.tensor!([1.0, 2.0, 3.0])
      assert {:ok, table} = V.profile(fn -> t |> V.sin!() |> V.to_list!() end)
      assert table =~ "step 1 pointwise: sin -> f32{3}\n"
      assert table =~ ~r/^  call +\d+\.\d+/m
      assert V.profile(fn -> 1 end, spirv: true) == {:error, :invalid_argument}
    end
  end

  describe "the device" do
    test "init is idempotent and validates its options" do
      assert V.init() == :ok
      assert V.init([]) == :ok
      assert V.init(memory_budget: 12_345_678) == {:error, :invalid_argument}
      assert V.init(colour: :red) == {:error, :invalid_argument}
      assert V.init(memory_budget: -1) == {:error, :invalid_argument}
      assert V.init(device: 1.5) == {:error, :invalid_argument}
      assert V.init(:fast) == {:error, :invalid_argument}
    end

    test "has a name, memory and counters" do
      assert {:ok, [%{index: 0, name: name} | _]} = V.devices()
      assert is_binary(name)
      assert is_binary(V.device_name!())
      assert %{in_use: in_use, budget: budget} = V.memory_stats!()
      assert in_use <= budget
      assert %{dispatches: _, cache_hits: _, module_cache_hits: _} = V.counters!()
      assert V.trim() == :ok
      assert is_binary(V.describe!())
    end
  end
end
