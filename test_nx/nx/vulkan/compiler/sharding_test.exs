defmodule Nx.Vulkan.Compiler.ShardingTest do
  # Each place of a mesh computes its rows: all of them together are what one call with all rows answers.
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Defn

  @mesh %Nx.Mesh{name: "mesh", shape: {2}}

  defp shard(fun, shardings, args_list, opts \\ []) do
    {mesh, opts} = Keyword.pop(opts, :mesh, @mesh)
    opts = [compiler: Nx.Vulkan, input_shardings: shardings, device: 0] ++ opts
    Nx.Defn.shard_jit(fun, mesh, opts).(args_list)
  end

  # The arguments that are split, along axis 0 as `split` says, in two.
  defp halves(args, split) do
    for half <- 0..1 do
      Enum.zip_with(args, split, fn t, split? ->
        n = if split?, do: div(Nx.axis_size(t, 0), 2)
        if split?, do: Nx.slice_along_axis(t, half * n, n, axis: 0), else: t
      end)
    end
  end

  # axes: those along which the results are put together; nil where they are whole.
  defp same(fun, args, split, axes) do
    shardings = for split? <- split, do: if(split?, do: %{0 => [0]}, else: %{})
    results = shard(fun, shardings, halves(args, split))
    assert length(results) == 2
    results = for result <- results, do: Nx.Defn.Composite.flatten_list([result])
    expected = Nx.Defn.Composite.flatten_list([Nx.Defn.jit_apply(fun, args, compiler: Nx.Vulkan)])

    for {parts, whole, axis} <- Enum.zip([Enum.zip_with(results, & &1), expected, axes]) do
      together = if axis, do: [Nx.concatenate(parts, axis: axis)], else: parts

      for t <- together,
          do: assert({t.shape, Nx.to_binary(t)} == {whole.shape, Nx.to_binary(whole)})
    end
  end

  defp x, do: Nx.remainder(Nx.multiply(Nx.iota({4, 3, 2}), 7), 11)
  defp w, do: Nx.iota({2, 5})

  defn network(x, w, b) do
    h = Nx.max(Nx.dot(x, w) + b, 0)
    {h, Nx.argmax(h, axis: -1), Nx.sum(h, axes: [1]), Nx.reduce_max(b)}
  end

  test "rows of products, sums along other axes, and what each place has whole" do
    same(&network/3, [x(), w(), Nx.iota({5})], [true, false, false], [0, 0, 0, nil])
  end

  test "shapes" do
    funs = [
      {&Nx.transpose(&1, axes: [2, 0, 1]), 1},
      {&Nx.reshape(&1, {Nx.axis_size(&1, 0), 6}), 0},
      {&Nx.flatten/1, 0},
      {&Nx.new_axis(&1, 0), 1},
      {&Nx.squeeze(Nx.new_axis(&1, 1)), 0},
      {&Nx.reverse(&1, axes: [1]), 0},
      {&Nx.pad(&1, 9, [{0, 0, 0}, {1, 2, 0}, {0, 1, 1}]), 0},
      {& &1[[.., 1..2, 0]], 0},
      {&Nx.put_slice(&1, [0, 1, 0], Nx.multiply(&1[[.., 0..1]], 2)), 0},
      {&Nx.concatenate([&1, Nx.add(&1, 1)], axis: 2), 0},
      {&Nx.stack([&1, &1]), 1},
      {&Nx.tile(&1, [1, 2, 1]), 0},
      {&Nx.sort(&1, axis: 2), 0},
      {&Nx.take(&1, Nx.tensor([1, 0]), axis: 1), 0},
      {&Nx.take(Nx.iota({20}), &1), 0},
      {&Nx.cumulative_sum(&1, axis: 1), 0},
      {&Nx.window_sum(&1, {1, 2, 2}, strides: [1, 1, 1], padding: :same), 0},
      {&Nx.reduce(&1, 0, [axes: [2]], fn a, b -> Nx.add(Nx.multiply(a, 2), b) end), 0},
      {&Nx.add(&1, Nx.broadcast(3, Nx.shape(&1))), 0},
      {&Nx.select(Nx.greater(&1, 4), &1, 0), 0},
      {&Nx.dot(&1, [2], [0], &1, [2], [0]), 0},
      {&Nx.conv(&1, Nx.iota({2, 3, 1}, type: :f32)), 0},
      {&Nx.fft(&1, axis: 2), 0},
      {&elem(Nx.top_k(&1, k: 1), 0), 0},
      {&Nx.take_along_axis(&1, Nx.argsort(&1, axis: 1), axis: 1), 0},
      {&Nx.LinAlg.cholesky(Nx.add(Nx.dot(&1, [1], [0], &1, [1], [0]), Nx.eye(2))), 0},
      {&Nx.LinAlg.determinant(&1[[.., 0..1]]), 0},
      {&Nx.argmin(&1, axis: 1, keep_axis: true), 0},
      {&Nx.mean(Nx.as_type(&1, :f32), axes: [-1]), 0},
      {&Nx.atan2(Nx.squeeze(&1[[.., 0, ..]]), 2), 0}
    ]

    for {{fun, axis}, i} <- Enum.with_index(funs) do
      assert same(fun, [x()], [true], [axis]), "function #{i}"
    end
  end

  defn loop(x, w) do
    {_, y, _, _} =
      while {i = 0, y = Nx.broadcast(0, Nx.shape(x)), x, w}, i < 3 do
        {i + 1, if(Nx.sum(w) > i, do: y + x, else: y * 2), x, w}
      end

    y
  end

  test "loops and branches whose conditions are the same at each place" do
    same(&loop/2, [x(), Nx.tensor([1, 1])], [true, false], [0])
  end

  test "containers, names, and meshes of several axes" do
    fun = fn %{a: a, b: {b, c}} -> Nx.add(Nx.multiply(a, b), c) end
    arg = fn rows -> %{a: Nx.tensor(rows), b: {Nx.tensor(rows), Nx.tensor(rows)}} end
    assert [first, second] = shard(fun, [%{0 => [0]}], [[arg.([1, 2])], [arg.([3, 4])]])
    assert {Nx.to_flat_list(first), Nx.to_flat_list(second)} == {[2, 6], [12, 20]}

    mesh = %Nx.Mesh{name: "mesh", shape: {2, 1, 2}}
    args = for i <- 1..4, do: [Nx.tensor([[i, i + 1]], names: [:x, :y])]
    results = shard(&Nx.sum(&1, axes: [:y]), [%{x: [0, 2], y: []}], args, mesh: mesh)
    assert Enum.map(results, &Nx.to_flat_list/1) == [[3], [5], [7], [9]]
    assert hd(results).names == [:x]

    whole = %Nx.Mesh{name: "mesh", shape: {1}}
    assert [t] = shard(&Nx.sum/1, [%{0 => [0]}], [[Nx.tensor([1, 2])]], mesh: whole)
    assert Nx.to_number(t) == 3
  end

  describe "is refused, with the reason, for" do
    defp refused(fun, reason, shardings \\ [%{0 => [0]}], args \\ [x()]) do
      args_list = List.duplicate(args, 2)
      assert_raise ArgumentError, reason, fn -> shard(fun, shardings, args_list) end
    end

    test "values of other places" do
      refused(&Nx.sum/1, ~r/sum along the axis that is split/)
      refused(&Nx.mean(&1, axes: [0]), ~r/sum along the axis that is split/)
      refused(&Nx.argmax/1, ~r/argmax along/)
      refused(&Nx.sort(&1, axis: 0), ~r/sort along/)
      refused(&Nx.reverse/1, ~r/reverse along/)

      # Counted from the end.
      refused(&Nx.fft(&1, axis: -3), ~r/be sharded/)
      refused(&Nx.argsort(&1, axis: -3), ~r/argsort along/)
      refused(&Nx.argmin(&1, axis: -3), ~r/argmin along/)
      refused(&Nx.reduce_max(&1, axes: [-3]), ~r/reduce_max along/)
      refused(&Nx.reverse(&1, axes: [-3]), ~r/reverse along/)
      refused(&Nx.concatenate([&1, &1], axis: -3), ~r/concatenate along/)
      refused(&(Nx.stack([&1, &1], axis: -4) |> Nx.sum(axes: [1])), ~r/sum along/)
      refused(&Nx.take(&1, Nx.tensor([0]), axis: -3), ~r/gather along/)
      refused(&Nx.take_along_axis(&1, Nx.argsort(&1, axis: 1), axis: -3), ~r/be sharded/)
      refused(& &1[0], ~r/slice along/)
      refused(&Nx.cumulative_sum(&1, axis: 0), ~r/cannot be sharded/)
      refused(&Nx.flatten(Nx.transpose(&1)), ~r/a reshape from \{2, 3, 8\}/)
      refused(&Nx.dot(&1, [0], &1, [0]), ~r/adds up along the axis/)
      refused(&Nx.dot(&1, [1], &1, [1]), ~r/different axes/)
      refused(&Nx.add(&1, Nx.transpose(&1, axes: [1, 0, 2])), ~r/.*/)
      refused(&Nx.concatenate([&1, &1]), ~r/concatenate along/)
      refused(&Nx.window_sum(&1, {2, 1, 1}), ~r/window_sum along/)
      refused(&if_first/1, ~r/any along the axis that is split/)
    end

    defn(if_first(x), do: if(Nx.any(x > 0), do: x, else: -x))

    test "what follows from the size of the batch" do
      size = ~r/depends on the size of the dimension that is split/
      refused(&Nx.divide(&1, Nx.axis_size(&1, 0)), size)
      refused(&Nx.add(&1, Nx.iota(Nx.shape(&1))), size)
      refused(fn x -> Nx.sum(Nx.broadcast(1, Nx.shape(x))) end, ~r/sum along the axis/)
      refused(fn x -> if Nx.axis_size(x, 0) > 5, do: Nx.sin(x), else: Nx.cos(x) end, size)
      refused(&Nx.reshape(&1, {8, 6}), ~r/split.*cannot reshape, current shape \{4, 3, 2\}/)

      refused(
        fn x -> Nx.slice(x, [0, Nx.axis_size(x, 0) - 4, 0], [Nx.axis_size(x, 0), 2, 2]) end,
        size
      )

      refused(fn x -> Nx.eye(Nx.axis_size(x, 0)) end, size)
    end

    test "calls of the host" do
      refused(fn x -> Nx.runtime_call(x, x, [], fn x, _ -> x end) end, ~r/functions of the host/)
      refused(&Nx.Defn.Kernel.print_value/1, ~r/functions of the host/)
    end

    test "arguments that say no such thing" do
      refused(&Nx.sin/1, ~r/input_shardings: must be a list/, nil)
      refused(&Nx.sin/1, ~r/expected 1 input sharding configuration.*got 2/, [%{}, %{}])
      refused(&Nx.sin/1, ~r/expected input sharding to be a map/, [[0]])
      refused(&Nx.sin/1, ~r/axis 1 is not valid for mesh with 1 axes/, [%{0 => [1]}])
      refused(&Nx.sin/1, ~r/axis 0 was used twice/, [%{0 => [0], 1 => [0]}])
      refused(&Nx.sin/1, ~r/given axis \(3\) invalid/, [%{3 => [0]}])
      vectorized = Nx.vectorize(x(), :rows)
      refused(&Nx.sin/1, ~r/vectorized tensors cannot be split/, [%{0 => [0]}], [vectorized])

      grid = [mesh: %Nx.Mesh{name: "mesh", shape: {2, 2}}]
      args = List.duplicate([x()], 4)
      one = fn sharding -> shard(&Nx.sin/1, [sharding], args, grid) end
      assert_raise ArgumentError, ~r/along one dimension/, fn -> one.(%{0 => [0], 1 => [1]}) end
      assert_raise ArgumentError, ~r/over all axes/, fn -> one.(%{0 => [1]}) end
      assert_raise ArgumentError, ~r/in their order/, fn -> one.(%{0 => [1, 0]}) end

      assert_raise ArgumentError, ~r/each of the 2 places/, fn ->
        shard(&Nx.sin/1, [%{0 => [0]}], [[x()]])
      end

      assert_raise ArgumentError, ~r/tensors of the same type and shape/, fn ->
        shard(&Nx.sin/1, [%{0 => [0]}], [[x()], [Nx.iota({2})]])
      end

      many = %Nx.Mesh{name: "mesh", shape: {1000}}

      assert_raise ArgumentError, ~r/takes 1000 devices, there/, fn ->
        Nx.Defn.shard_jit(&Nx.sin/1, many, compiler: Nx.Vulkan, input_shardings: [%{0 => [0]}]).(
          List.duplicate([x()], 1000)
        )
      end
    end
  end

  @tag :two_devices
  test "results are on the devices of the places" do
    run =
      Nx.Defn.shard_jit(&network/3, @mesh,
        compiler: Nx.Vulkan,
        input_shardings: [%{0 => [0]}, %{}, %{}]
      )

    [first, second] = run.(halves([x(), w(), Nx.iota({5})], [true, false, false]))

    devices =
      for t <- Tuple.to_list(first) ++ Tuple.to_list(second),
          do: Nx.Vulkan.Native.device(t.data.ref)

    assert [a, a, a, a, b, b, b, b] = devices
    assert a != b
    {h, _, _, _} = network(x(), w(), Nx.iota({5}))
    bits = for {h, _, _, _} <- [first, second], do: Nx.to_binary(h)
    assert Enum.join(bits) == Nx.to_binary(h)
  end
end
