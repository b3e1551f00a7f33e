defmodule Nx.Vulkan.DeclaredTest do
  # Tensors whose struct declares another type or shape than their data has, and tensors of another VM.
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Defn
  alias Nx.Vulkan.Backend

  # Nx 0.13 declares the gradient of a loop over f64 as f32.
  defn power(x) do
    {_, y} =
      while {i = 0, y = x}, i < 3 do
        {i + 1, y * y}
      end

    y
  end

  defn(gradient(x), do: grad(x, &power/1))

  test "the gradient of a loop over f64" do
    # Of x^8.
    expected = 8 * :math.pow(1.1, 7)
    x = Nx.tensor(1.1, type: :f64)

    for dy <- [gradient(x), Nx.Defn.jit(&gradient/1, compiler: Nx.Vulkan).(x)] do
      assert_in_delta Nx.to_number(dy), expected, 1.0e-5
      assert_in_delta Nx.to_number(Nx.add(dy, 1)), expected + 1, 1.0e-5
      assert inspect(dy) =~ "15.5897"
    end
  end

  defp computed(t), do: Nx.reverse(Nx.reverse(t))
  defp declare(t, type), do: %{t | type: Nx.Type.normalize!(type)}

  # Numbers, elements that the host knows, elements that it does not.
  defp kinds(data, type) do
    t = Nx.tensor(data, type: type)
    [t, computed(t)]
  end

  # Functions that take a tensor of four f32.
  defp functions do
    [
      &Nx.to_binary/1,
      &Nx.to_flat_list/1,
      &Nx.add(&1, 1),
      &Nx.add(1, &1),
      &Nx.add(&1, &1),
      &Nx.negate/1,
      &Nx.greater(&1, 2),
      &Nx.select(Nx.greater(&1, 2), &1, 0),
      &Nx.clip(&1, 1, 2),
      &Nx.clip(2.5, 0, Nx.reduce_min(&1)),
      &Nx.as_type(&1, :s64),
      &Nx.bitcast(&1, :s32),
      &Nx.reshape(&1, {2, 2}),
      &Nx.broadcast(&1, {2, 4}),
      &Nx.transpose(Nx.new_axis(&1, 0)),
      &Nx.reverse/1,
      &Nx.pad(&1, 0, [{1, 1, 0}]),
      &Nx.slice(&1, [1], [2]),
      &Nx.put_slice(&1, [1], Nx.tensor([9.0])),
      &Nx.put_slice(Nx.iota({8}, type: :f32), [1], &1),
      &Nx.concatenate([&1, &1]),
      &Nx.stack([&1, &1]),
      &Nx.take(&1, Nx.tensor([3, 0])),
      &Nx.indexed_add(&1, Nx.tensor([[0]]), Nx.tensor([5.0])),
      &Nx.sum/1,
      &Nx.product/1,
      &Nx.reduce_max/1,
      &Nx.argmax/1,
      &Nx.reduce(&1, 0.0, fn x, acc -> Nx.add(x, acc) end),
      &Nx.window_sum(&1, {2}),
      &Nx.window_max(&1, {2}),
      &Nx.cumulative_sum/1,
      &Nx.dot(&1, &1),
      &Nx.sort/1,
      &Nx.argsort/1,
      &Nx.fft/1,
      &Nx.LinAlg.norm/1,
      &Nx.LinAlg.determinant(Nx.make_diagonal(&1)),
      &Nx.backend_copy(&1, Nx.BinaryBackend),
      &Nx.backend_copy(&1, Backend),
      &Enum.map(Nx.to_batched(&1, 2), fn t -> Nx.to_binary(t) end)
    ]
  end

  # Tensors of any backend as what they hold.
  defp plain(%Nx.Tensor{} = t), do: {t.type, t.shape, Nx.to_binary(t)}
  defp plain(other), do: other

  test "every function takes the data as the declared type" do
    for t <- kinds([1.5, 4.0, 3.0, 2.0], :f64), fun <- functions() do
      declared = declare(t, :f32)
      assert {fun, plain(fun.(declared))} == {fun, plain(fun.(Nx.as_type(t, :f32)))}
    end

    assert inspect(declare(Nx.tensor([1.5, 4.0], type: :f64), :s8)) =~ "s8[2]\n  [1, 4]"
  end

  test "numbers, too" do
    for t <- kinds(2.5, :f64) do
      assert Nx.to_number(declare(t, :f32)) == 2.5
      assert Nx.to_number(declare(t, :s32)) == 2
      assert Nx.to_flat_list(Nx.add(Nx.tensor([1, 2]), declare(t, :s32))) == [3, 4]
      assert Nx.to_flat_list(Nx.multiply(Nx.tensor([1.0, 2.0]), declare(t, :f32))) == [2.5, 5.0]
    end
  end

  test "indices, which the host may know, too" do
    for i <- kinds([[2], [0]], :s64) do
      t = Nx.tensor([10, 20, 30])
      assert Nx.to_flat_list(Nx.gather(t, declare(i, :s32))) == [30, 10]
      assert Nx.to_flat_list(Nx.slice(t, [declare(Nx.tensor(1), :u8)], [2])) == [20, 30]
    end
  end

  test "a pointer is to elements of the declared type; deallocating is of the data" do
    t = computed(Nx.tensor([1.5, 2.0], type: :f64))
    declared = declare(t, :f32)
    assert Nx.to_pointer(declared).data_size == 8
    assert Nx.backend_deallocate(declared) == :ok
    assert Nx.backend_deallocate(t) == :already_deallocated

    t = Nx.tensor([1.5], type: :f64)
    moved = Nx.backend_transfer(declare(t, :f32), Nx.BinaryBackend)
    assert Nx.to_binary(moved) == <<1.5::float-32-little>>
    assert Nx.backend_deallocate(t) == :already_deallocated
  end

  test "and as the declared shape" do
    for t <- kinds([[1.5, 4.0], [3.0, 2.0]], :f64), fun <- functions() do
      declared = %{declare(t, :f32) | shape: {4}, names: [nil]}

      assert {fun, plain(fun.(declared))} ==
               {fun, plain(fun.(Nx.reshape(Nx.as_type(t, :f32), {4})))}
    end

    assert inspect(%{Nx.iota({1, 3}) | shape: {3}, names: [nil]}) =~ "s32[3]\n  [0, 1, 2]"

    assert Nx.to_flat_list(Nx.add(%{Nx.tensor(2) | shape: {1}, names: [nil]}, Nx.iota({2}))) == [
             2,
             3
           ]
  end

  test "another number of elements than that of the data raises" do
    for t <- kinds([1.0, 2.0, 3.0, 4.0, 5.0], :f32), fun <- functions() do
      wrong = %{t | shape: {4}}

      assert_raise ArgumentError,
                   "the tensor declares shape {4}, but its data is f32 of shape {5}",
                   fn -> fun.(wrong) end
    end

    text = inspect(%{Nx.tensor([1, 2]) | shape: {3}})
    assert text =~ "unavailable: the tensor declares shape {3}"
  end

  test "vectorized axes are part of the shape" do
    t = Nx.vectorize(Nx.iota({2, 3}), :rows)
    assert Nx.to_flat_list(Nx.devectorize(Nx.sum(t))) == [3, 12]
    assert byte_size(Nx.to_binary(t)) == 24
    assert inspect(t) =~ "[3, 4, 5]"
    assert_raise ArgumentError, ~r/declares shape {2, 4}/, fn -> Nx.sum(%{t | shape: {4}}) end
  end

  # A reference of this node that is none of a tensor is what another VM, or a restart, leaves.
  test "a tensor of another VM says so" do
    for t <- kinds([1.0, 2.0, 3.0, 4.0], :f32), fun <- functions() do
      foreign = put_in(t.data.ref, make_ref())
      assert_raise ArgumentError, ~r/made in another VM/, fn -> fun.(foreign) end
    end

    foreign = put_in(Nx.tensor([1]).data.ref, make_ref())
    assert inspect(foreign) =~ "unavailable: the tensor was made in another VM"
    assert_raise ArgumentError, ~r/made in another VM/, fn -> Nx.backend_transfer(foreign) end
    assert_raise ArgumentError, ~r/made in another VM/, fn -> Nx.backend_deallocate(foreign) end
    assert_raise ArgumentError, ~r/made in another VM/, fn -> Nx.to_pointer(foreign) end
    compiled = Nx.Defn.jit(&Nx.add(&1, 1), compiler: Nx.Vulkan)
    assert_raise ArgumentError, ~r/made in another VM/, fn -> compiled.(foreign) end
  end
end
