defmodule Nx.Vulkan.BackendTest do
  use ExUnit.Case, async: true
  @moduletag :device

  import Bitwise, only: [<<<: 2]
  import Nx.Testing
  alias Nx.Vulkan.Backend

  defp binary(t), do: Nx.backend_copy(t, Nx.BinaryBackend)
  defp on_binary(value, opts \\ []), do: Nx.tensor(value, [backend: Nx.BinaryBackend] ++ opts)

  test "has every callback" do
    for {name, arity} <- Nx.Backend.behaviour_info(:callbacks) do
      assert function_exported?(Backend, name, arity), "#{name}/#{arity} is missing"
    end
  end

  describe "options" do
    test "init/1 takes its own answer" do
      for options <- [[], [device: nil], [device: 0], [device: "llvm", memory_budget: 1 <<< 30]] do
        once = Backend.init(options)
        assert Backend.init(once) == once
      end
    end

    test "unknown ones and wrong ones raise" do
      for options <- [[devise: 0], [device: -1], [device: 1.5], [memory_budget: 0], :none] do
        assert_raise ArgumentError, fn -> Backend.init(options) end
      end
    end

    test "those that contradict the open device raise" do
      Nx.tensor(1)

      assert_raise Nx.Vulkan.Error, ~r/open already/, fn ->
        Nx.tensor(1, backend: {Backend, memory_budget: 12_345_678})
      end
    end
  end

  describe "values that are not numbers" do
    @narrow [{:f, 8}, {:f8_e4m3fn, 8}, {:bf, 16}, {:f, 16}]

    defp strange?(t),
      do: Nx.to_number(Nx.any(Nx.logical_or(Nx.is_nan(t), Nx.is_infinity(t)))) == 1

    test "normal numbers have none" do
      for type <- [{:bf, 16}, {:f, 16}, {:f, 32}] do
        {normal, _} = Nx.Random.normal(Nx.Random.key(7), type: type, shape: {1_000_000})
        refute strange?(normal)
        # Uniform numbers of bf16 have steps of 1/64, and the lowest has no counterpart above.
        normal = Nx.as_type(normal, :f32)
        assert_in_delta Nx.to_number(Nx.mean(normal)), 0, 0.03
        assert_in_delta Nx.to_number(Nx.variance(normal)), 1, 0.03
      end
    end

    # Nx.Random.normal/4 raises for types of 8 bits; these are its steps.
    test "nor has erf_inv of uniform numbers of few bits, -1 included" do
      for type <- @narrow -- [{:f, 16}] do
        {u, _} = Nx.Random.uniform(Nx.Random.key(7), -1, 1, type: type, shape: {1_000_000})
        assert Nx.to_number(Nx.reduce_min(u)) == -1
        refute strange?(Nx.erf_inv(u))
      end
    end

    test "clip keeps NaN and takes that of a bound" do
      for type <- @narrow ++ [{:f, 32}, {:f, 64}], on <- [Nx.BinaryBackend, Backend] do
        nan = Nx.tensor(:nan, type: type, backend: on)
        t = Nx.tensor([:nan, 5.0], type: type)
        assert Nx.to_list(Nx.clip(t, 0, 1)) == [:nan, 1.0]
        assert Nx.to_list(Nx.clip(t, nan, 6)) == [:nan, :nan]
        assert Nx.to_list(Nx.clip(t, 0, nan)) == [:nan, :nan]
        assert Nx.to_number(Nx.clip(Nx.tensor(:nan, type: type), 0, 1)) == :nan
      end
    end
  end

  describe "storage" do
    test "every type survives a round trip, packed ones included" do
      for {type, bits} <- [
            {{:u, 2}, <<0b01101100::8, 0b10::2>>},
            {{:s, 4}, <<0x1F, 3::4>>},
            {{:u, 8}, <<1, 2, 255>>},
            {{:s, 64}, <<-1::signed-little-64, 5::signed-little-64>>},
            {{:bf, 16}, <<0xC07F::16, 0x803F::16>>},
            {{:f8_e4m3fn, 8}, <<0x7F, 0x38>>},
            {{:c, 64}, <<1.0::float-little-32, -0.0::float-little-32>>}
          ] do
        {_, width} = type
        out = Nx.template({div(bit_size(bits), width)}, type)
        t = Backend.from_binary(out, bits, [])
        assert Backend.to_binary(t, Nx.size(t)) == bits
        assert Backend.to_binary(t, 1) == binary_part_of(bits, width)
      end
    end

    defp binary_part_of(bits, width) do
      <<part::bitstring-size(^width), _::bitstring>> = bits
      part
    end

    test "a copy is storage of its own" do
      t = Nx.tensor([1, 2, 3])
      copy = Nx.backend_copy(t, Backend)
      refute copy.data.ref == t.data.ref
      assert Nx.backend_deallocate(t) == :ok
      assert Nx.to_flat_list(copy) == [1, 2, 3]
    end

    test "a transfer on the device is the tensor; elsewhere it frees it" do
      t = Nx.tensor([1, 2, 3])
      assert Nx.backend_transfer(t, Backend) == t
      assert %Nx.BinaryBackend{} = Nx.backend_transfer(t, Nx.BinaryBackend).data
      assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.backend_transfer(t) end
      assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.to_binary(Nx.add(t, 1)) end
    end

    test "deallocation answers whether there was something to free" do
      t = Nx.iota({4})
      assert Nx.backend_deallocate(t) == :ok
      assert Nx.backend_deallocate(t) == :already_deallocated
      assert inspect(t) =~ ~r/s32\[4\]\s+Deallocated/
    end

    test "deallocation and transfer leave what was computed of the tensor" do
      for give_up <- [&Nx.backend_deallocate/1, &Nx.backend_transfer(&1, Nx.BinaryBackend)] do
        x = Nx.add(Nx.iota({3}), 1)
        copy = %{x | names: [:a]}
        y = Nx.multiply(x, 2)
        column = Nx.reshape(x, {3, 1})
        reversed = Nx.reverse(x)
        batches = Nx.to_batched(x, 2, leftover: :discard) |> Enum.to_list()
        later = Nx.to_batched(x, 2)
        typed = Nx.as_type(x, :f32)
        give_up.(x)

        assert Nx.to_flat_list(y) == [2, 4, 6]
        assert Nx.to_flat_list(column) == [1, 2, 3]
        assert Nx.to_flat_list(reversed) == [3, 2, 1]
        assert Enum.map(batches, &Nx.to_flat_list/1) == [[1, 2]]
        assert Enum.map(later, &Nx.to_flat_list/1) == [[1, 2], [3, 1]]
        assert Nx.to_flat_list(typed) == [1.0, 2.0, 3.0]

        for term <- [x, copy] do
          assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.to_flat_list(term) end
          assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.add(term, 1) end
          assert Nx.backend_deallocate(term) == :already_deallocated
        end
      end
    end

    test "batches fill up with the first rows, or drop the rest" do
      t = Nx.iota({5, 2})
      batches = t |> Nx.to_batched(2) |> Enum.map(&Nx.to_flat_list/1)
      assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 0, 1]]
      discarded = t |> Nx.to_batched(2, leftover: :discard) |> Enum.map(&Nx.to_flat_list/1)
      assert discarded == [[0, 1, 2, 3], [4, 5, 6, 7]]
    end

    test "text shows values of packed types, and the device and reference when asked to" do
      assert inspect(Nx.tensor([1, -2, 3], type: :s4)) =~ "[1, -2, 3]"
      t = Nx.tensor(1)
      signature = Nx.Vulkan.Backend.Storage.signature(t)
      assert signature =~ ~r/^Nx.Vulkan.Backend<.*, \d+\.\d+\.\d+\.\d+>$/
      assert signature =~ Nx.Vulkan.device_name!()
    end

    test "tensors cross processes" do
      t = Nx.iota({3})
      assert Task.await(Task.async(fn -> Nx.to_flat_list(Nx.add(t, 1)) end)) == [1, 2, 3]
    end

    test "a tensor of another node says what to do" do
      # Node name, serial numbers and creation of a reference that was made elsewhere.
      foreign =
        :erlang.binary_to_term(<<131, 90, 0, 3, 119, 9, "other@far", 1::32, 1::32, 2::32, 3::32>>)

      t = put_in(Nx.tensor(1).data.ref, foreign)
      assert_raise ArgumentError, ~r/other@far.*Nx.backend_transfer/, fn -> Nx.to_binary(t) end
    end
  end

  describe "operands of Nx.BinaryBackend" do
    @four [1.0, 4.0, 2.0, 3.0]
    @matrix [[2.0, 0.0], [1.0, 3.0]]

    # Nx asks the backend of any operand that is not Nx.BinaryBackend's.
    defp any_position do
      [
        {&Nx.add/2, [@four, [5, 6, 7, 8]]},
        {&Nx.less/2, [@four, 2.5]},
        {&Nx.select/3, [[1, 0, 0, 1], @four, 0.0]},
        {&Nx.dot/2, [@four, @four]},
        {&Nx.conv/2, [[[@four]], [[[1.0, -1.0]]]]},
        {&Nx.LinAlg.triangular_solve/2, [@matrix, [1.0, 2.0]]},
        {&Nx.LinAlg.solve/2, [@matrix, [1.0, 2.0]]},
        {&Nx.pad(&1, &2, [{1, 0, 0}]), [@four, 9.0]},
        {&Nx.all_close/2, [@four, @four]},
        {&Nx.concatenate([&1, &2]), [@four, @four]},
        {&Nx.stack([&1, &2]), [@four, @four]}
      ]
    end

    # Nx asks the backend of the first operand, whatever the others are.
    defp later_positions do
      [
        {&Nx.clip/3, [@four, 1.5, 2.5]},
        {&Nx.slice(&1, [&2], [2]), [@four, 1]},
        {&Nx.put_slice(&1, [&2], &3), [@four, 1, [7.0]]},
        {&Nx.gather/2, [@four, [[2], [0]]]},
        {&Nx.take/2, [@four, [2, 0]]},
        {&Nx.take_along_axis/2, [@four, [2, 0]]},
        {&Nx.indexed_add/3, [@four, [[1], [1]], [5.0, 6.0]]},
        {&Nx.indexed_put/3, [@four, [[1], [1]], [5.0, 6.0]]},
        {&Nx.window_scatter_max(&1, &2, &3, {2}, strides: [2]), [@four, [5.0, 6.0], 0.0]},
        {&total/2, [@four, 1.0]},
        {&peaks/2, [@four, 0.0]}
      ]
    end

    defp total(t, acc), do: Nx.reduce(t, acc, fn x, acc -> Nx.add(x, acc) end)
    defp peaks(t, acc), do: Nx.window_reduce(t, acc, {2}, fn x, acc -> Nx.max(x, acc) end)

    test "are taken in every position" do
      for {cases, first} <- [{any_position(), 0}, {later_positions(), 1}],
          {fun, arguments} <- cases,
          expected = apply(fun, Enum.map(arguments, &Nx.tensor/1)),
          at <- first..(length(arguments) - 1) do
        mixed =
          for {x, i} <- Enum.with_index(arguments),
              do: if(i == at, do: on_binary(x), else: Nx.tensor(x))

        result = apply(fun, mixed)
        assert %Backend{} = result.data
        assert binary(result) == binary(expected), "operand #{at} of #{inspect(fun)}"
      end
    end

    test "other backends are refused by name" do
      t = %{Nx.tensor(1) | data: %Nx.TemplateBackend{}}

      assert_raise Nx.Defn.IncompatibleBackendsError, fn -> Nx.add(Nx.tensor(1), t) end

      assert_raise Nx.Defn.IncompatibleBackendsError, ~r/Nx.TemplateBackend/, fn ->
        Backend.add(t, Nx.tensor(1), t)
      end
    end
  end

  describe "types that numbers take part in" do
    test "a number does not widen a tensor" do
      for type <- [:u8, :s16, :u64, :f16, :bf16, :f64, :c64], op <- [:add, :multiply, :max] do
        unless type == :c64 and op == :max do
          t = Nx.tensor([1, 2, 3], type: type)
          result = apply(Nx, op, [t, 2])
          assert result.type == Nx.Type.normalize!(type)
          assert binary(result) == apply(Nx, op, [binary(t), on_binary(2)]) |> Nx.as_type(type)
        end
      end
    end

    test "a fraction is rounded after the operation" do
      t = Nx.tensor([1000.0], type: :f16)
      assert Nx.to_flat_list(Nx.multiply(t, 0.1)) == [100.0]
    end

    test "u64 beyond s64 keeps its value beside a number" do
      t = Nx.tensor([0xFFFFFFFFFFFFFFFF], type: :u64)
      assert Nx.to_flat_list(Nx.quotient(t, 3)) == [0x5555555555555555]
      assert Nx.to_flat_list(Nx.right_shift(t, 63)) == [1]
    end
  end

  describe "mistakes in the data" do
    test "are reported at the call when the host knows the data" do
      t = Nx.iota({2, 3})

      assert_raise ArgumentError, "index 2 is out of bounds for axis 0 in shape {2, 3}", fn ->
        Nx.gather(t, Nx.tensor([[2, 0]]))
      end

      assert_raise ArgumentError, "index -1 is out of bounds for axis 0 in shape {3, 2}", fn ->
        Nx.take(t, Nx.tensor([0, -1]), axis: 1)
      end

      assert_raise ArgumentError, "cannot left shift by -2", fn ->
        Nx.left_shift(Nx.tensor([1, 2]), Nx.tensor([1, -2]))
      end

      assert_raise ArgumentError, "can't solve for singular matrix", fn ->
        Nx.LinAlg.triangular_solve(Nx.tensor([[1.0, 0.0], [1.0, 0.0]]), Nx.tensor([1.0, 1.0]))
      end

      assert_raise ArithmeticError, ~r/only accepts real numbers/, fn ->
        Nx.atan2(Complex.new(1, 2), 1)
      end
    end

    test "and otherwise when the value is read, and nowhere else" do
      index = Nx.add(Nx.tensor([[0], [7]]), 1)
      good = Nx.iota({9})
      bad = Nx.gather(Nx.iota({8}), index)
      assert_raise ArgumentError, ~r/out of bounds/, fn -> Nx.to_binary(Nx.add(bad, 1)) end
      zero = Nx.subtract(good, good)
      assert_raise ArithmeticError, fn -> Nx.to_binary(Nx.quotient(good, zero)) end
      minus = Nx.subtract(zero, 1)
      assert_raise ArithmeticError, fn -> Nx.to_binary(Nx.pow(good, minus)) end

      assert_raise ArgumentError, ~r/negative shift amount in right_shift/, fn ->
        Nx.to_binary(Nx.right_shift(good, minus))
      end

      assert_raise ArgumentError, ~r/^can't solve for singular matrix/, fn ->
        singular = Nx.multiply(Nx.iota({2, 2}, type: :f32), 0)
        Nx.to_binary(Nx.LinAlg.triangular_solve(singular, Nx.tensor([1.0, 1.0])))
      end

      assert Nx.to_flat_list(Nx.sum(good)) == [36]
    end

    test "whatever reads it, and whatever else may be wrong there" do
      index = Nx.subtract(Nx.iota({4}), 1)
      table = Nx.iota({8})

      assert_raise ArgumentError, ~r/out of bounds/, fn ->
        Nx.to_number(Nx.sum(Nx.take(table, index)))
      end

      zeros = Nx.take(Nx.multiply(table, 0), Nx.abs(index))

      for read <- [&Nx.sum/1, &Nx.mean/1, &Nx.reduce_max/1, &Nx.argmax/1, &Nx.any/1] do
        assert_raise ArithmeticError, fn -> Nx.to_number(read.(Nx.quotient(7, zeros))) end
      end
    end
  end

  describe "singular values of zero" do
    test "have no vectors on the longer side of a reduced decomposition" do
      for {m, n} <- [{4, 3}, {3, 4}, {3, 3}], type <- [:f32, :f64] do
        # Rank 2, in a batch beside a matrix of full rank.
        t = Nx.stack([Nx.iota({m, n}, type: type), Nx.eye({m, n}, type: type)])
        {u, s, vt} = Nx.LinAlg.svd(t, full_matrices?: false)
        assert_all_close(Nx.dot(Nx.multiply(u, Nx.new_axis(s, 1)), [2], [0], vt, [1], [0]), t)
        {long, short} = if m >= n, do: {u, vt}, else: {Nx.transpose(vt, axes: [0, 2, 1]), u}
        lengths = long |> Nx.multiply(long) |> Nx.sum(axes: [1])
        assert_all_close(lengths, Nx.tensor([[1, 1, 0], [1, 1, 1]]))
        short = if m >= n, do: short, else: Nx.transpose(short, axes: [0, 2, 1])
        products = Nx.dot(short, [2], [0], short, [2], [0])
        assert_all_close(products, Nx.broadcast(Nx.eye(3), {2, 3, 3}), atol: 1.0e-5)
      end
    end

    test "leave full decompositions with orthonormal vectors" do
      for {m, n} <- [{4, 3}, {3, 4}, {3, 3}] do
        {u, _, vt} = Nx.LinAlg.svd(Nx.iota({m, n}, type: :f32))
        assert_all_close(product([Nx.transpose(u), u]), Nx.eye(m), atol: 1.0e-5)
        assert_all_close(product([vt, Nx.transpose(vt)]), Nx.eye(n), atol: 1.0e-5)
      end
    end

    test "leave a pseudoinverse finite" do
      t = Nx.tensor([[1.0, 2.0], [3.0, 6.0], [0.1, 0.2]])
      inverse = Nx.LinAlg.pinv(t)
      assert_all_close(product([t, inverse, t]), t, atol: 1.0e-5)
      assert_all_close(product([inverse, t, inverse]), inverse, atol: 1.0e-5)
    end

    test "are all of a matrix of zeros, whose vectors are the identity's" do
      {u, s, vt} = Nx.LinAlg.svd(Nx.broadcast(0.0, {3, 2}), full_matrices?: false)
      assert Nx.to_flat_list(u) == [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]
      assert Nx.to_flat_list(s) == [0.0, 0.0]
      assert Nx.to_flat_list(vt) == [1.0, 0.0, 0.0, 1.0]
    end

    defp product(matrices), do: Enum.reduce(matrices, &Nx.dot(&2, &1))
  end

  test "vectorized tensors and names pass through" do
    t = Nx.tensor([[1, 2], [3, 4]], names: [:x, :y])
    assert Nx.sum(t, axes: [:y]).names == [:x]
    v = t |> Nx.vectorize(:x) |> Nx.sum()
    assert v.vectorized_axes == [x: 2]
    assert v |> Nx.devectorize() |> Nx.to_flat_list() == [3, 7]
  end

  test "reduce and window_reduce compile the function that they are given" do
    t = Nx.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    norm = Nx.reduce(t, 0, [axes: [1]], fn x, acc -> Nx.add(Nx.multiply(x, x), acc) end)
    assert Nx.to_flat_list(norm) == [14.0, 77.0]
    last = Nx.reduce(t, 0, [axes: [0]], fn x, acc -> Nx.subtract(x, acc) end)
    assert Nx.to_flat_list(last) == [3.0, 3.0, 3.0]

    peaks = Nx.window_reduce(t, 0, {1, 2}, fn x, acc -> Nx.max(x, acc) end)
    assert Nx.to_flat_list(peaks) == [2.0, 3.0, 5.0, 6.0]
  end
end
