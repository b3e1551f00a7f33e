defmodule Nx.Vulkan.Compiler.ControlTest do
  # Loops and branches, nested in any way, against Nx.Defn.Evaluator on Nx.BinaryBackend.
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Defn

  # Integers and halves: every backend has the same bits.
  defp same(fun, args) do
    ours = Nx.Defn.jit_apply(fun, args, compiler: Nx.Vulkan)

    theirs =
      Nx.with_default_backend(Nx.BinaryBackend, fn ->
        Nx.Defn.jit_apply(fun, on_host(args), compiler: Nx.Defn.Evaluator)
      end)

    assert plain(ours) == plain(theirs)
    ours
  end

  defp on_host(args) do
    Enum.map(args, fn arg ->
      if is_number(arg), do: arg, else: Nx.backend_copy(arg, Nx.BinaryBackend)
    end)
  end

  defp plain(container) do
    for t <- Nx.Defn.Composite.flatten_list([container]) do
      {t.type, t.shape, t.names, t.vectorized_axes, t |> Nx.devectorize() |> Nx.to_binary()}
    end
  end

  defn nested_loops(x, n) do
    {_, _, x} =
      while {i = 0, n, x}, i < n do
        {_, x} =
          while {j = 0, x}, j < 3 do
            {j + 1, x + 2}
          end

        {i + 1, n, x * 2}
      end

    x
  end

  test "loops in loops" do
    for n <- [0, 1, 4], do: same(&nested_loops/2, [Nx.tensor([1, 2, 3]), n])
  end

  # Where the condition depends on what the device computed.
  defn collatz(n) do
    {steps, _} =
      while {steps = 0, n}, n != 1 do
        n = if Nx.remainder(n, 2) == 0, do: Nx.quotient(n, 2), else: 3 * n + 1
        {steps + 1, n}
      end

    steps
  end

  test "branches in loops" do
    for {n, steps} <- [{1, 0}, {6, 8}, {27, 111}],
        do: assert(Nx.to_number(same(&collatz/1, [Nx.tensor(n)])) == steps)
  end

  defn loop_in_branch(x, p) do
    cond do
      p > 2 ->
        {_, y} =
          while {i = 0, y = x}, i < 4 do
            {i + 1, if(Nx.sum(y) > 20, do: y - 5, else: y * 2)}
          end

        y

      p > 1 ->
        x + p

      true ->
        x
    end
  end

  test "a branch in a loop in a branch" do
    for p <- 0..3, do: same(&loop_in_branch/2, [Nx.tensor([1, 5]), p])
  end

  # `shared` belongs to the definition, `outer` to a branch, and so on downwards.
  defn captures(x, y, unused) do
    shared = x * 2
    other = y + shared

    {a, b} =
      if Nx.sum(x) > 0 do
        outer = shared + 1

        {c, d} =
          if Nx.sum(other) > 10 do
            inner = outer * y
            {if(Nx.sum(inner) > 50, do: inner + shared + outer + x, else: outer - y), other}
          else
            {outer + other, y}
          end

        {c + outer, d}
      else
        {shared, other + 1}
      end

    {a, b, other, unused}
  end

  test "branches capture through each level" do
    for x <- [[1, 2], [-1, -2], [5, 9], [1, 0]], y <- [[1, 1], [10, 3]] do
      same(&captures/3, [Nx.tensor(x), Nx.tensor(y), 7])
    end
  end

  defn shared_predicate(x) do
    m = Nx.reduce_max(x)
    n = Nx.reduce_min(x)

    cond do
      m > 10 -> x - m
      n < -10 -> x - n
      m + n > 0 -> {x, m} |> elem(0) |> Nx.add(n)
      true -> x
    end
  end

  test "conditions share what they need with the branches" do
    for x <- [[11, 0], [-11, 3], [2, 1], [-2, 1]], do: same(&shared_predicate/1, [Nx.tensor(x)])
  end

  defn tuples(x) do
    {a, {b, c}} = if Nx.sum(x) > 3, do: {x, {x + 1, 2}}, else: {x * 2, {x, 3}}

    {{i, _}, {total, {d, e}}} =
      while {{i = 0, n = 3}, {total = b, {d = c, e = a}}}, i < n do
        {{i + 1, n}, {total + e, {d * 2, e}}}
      end

    if d > 20, do: {total, {i, d}}, else: {e, {i, d + 1}}
  end

  test "tuples of tuples" do
    for x <- [[1, 1], [2, 2]], do: same(&tuples/1, [Nx.tensor(x)])
  end

  defn element(x) do
    {_, q, r} =
      while {i = 0, q = x, r = x}, i < 2 do
        {i + 1, q + 1, r * 2}
      end

    # The branch takes an element of the loop that nothing else does.
    if Nx.sum(q) > 4, do: r, else: x
  end

  test "a branch takes an element of what its surroundings computed" do
    for x <- [[0, 0], [3, 3]], do: same(&element/1, [Nx.tensor(x)])
  end

  defn containers(%{x: x, more: {y, z}}) do
    state = %{total: x, seen: {y, 0}}

    %{total: total, seen: {y, n}} =
      while state, Nx.sum(state.total) < 100 do
        {y, n} = state.seen
        %{state | total: state.total + y, seen: {y, n + 1}}
      end

    %{total: total, rest: if(n > z, do: %{y: y}, else: %{y: -y})}
  end

  test "containers" do
    x = Nx.tensor([1, 2])

    for z <- [1, 100] do
      arg = %{x: x, more: {Nx.tensor([7, 9]), z}}
      ours = Nx.Defn.jit_apply(&containers/1, [arg], compiler: Nx.Vulkan)
      assert Nx.to_flat_list(ours.total) == [50, 65]
      assert Nx.to_flat_list(ours.rest.y) == if(z == 1, do: [7, 9], else: [-7, -9])
    end
  end

  defn(vectorized_branch(x), do: if(x > 2, do: x * 10, else: x - 1))

  defn vectorized_loop(x) do
    while x, Nx.sum(x) < 20 do
      x * 2
    end
  end

  test "vectorized tensors" do
    x = Nx.vectorize(Nx.tensor([1, 2, 3, 4]), :n)
    same(&vectorized_branch/1, [x])
    y = Nx.vectorize(Nx.tensor([[1, 2], [30, 4], [5, 6]]), :rows)
    same(&vectorized_loop/1, [y])
    same(&Nx.add(&1, Nx.tensor([1, 2], names: [:z])), [y])
  end

  # Both branches and the loop close over tensors of their own.
  defn closures(x, opts \\ []) do
    {_, y} =
      while {i = 0, y = x}, i < 2 do
        {i + 1, y + Nx.tensor([1, 2])}
      end

    if Nx.sum(y) > 10, do: y * opts[:scale], else: y + Nx.tensor([100, 200]) + Nx.iota({2})
  end

  test "constants in loops and branches" do
    for x <- [[1, 1], [5, 5]], scale <- [2, 3] do
      same(&closures(&1, scale: scale), [Nx.tensor(x)])
    end
  end

  defn static_loop(x) do
    while x, i <- 0..9, unroll: 5 do
      x + i
    end
  end

  test "generators" do
    same(&static_loop/1, [Nx.tensor([1, 2])])

    same(
      fn x, rows ->
        static_rows(x, rows)
      end,
      [Nx.tensor([1, 2]), Nx.tensor([[1, 2], [3, 4], [5, 6]])]
    )
  end

  defn static_rows(x, rows) do
    while x, row <- rows do
      x * 2 + row
    end
  end

  defn loop_gradient(x) do
    grad(x, fn x ->
      {_, y} =
        while {i = 0, y = x}, i < 3 do
          {i + 1, if(Nx.sum(y) > 2, do: y * 2, else: y * y)}
        end

      Nx.sum(y)
    end)
  end

  defn custom(x) do
    custom_grad(Nx.floor(x), [x], fn g -> [g * 3] end)
  end

  test "gradients, those that are given, and those that are stopped" do
    for x <- [[1.0, 0.5], [2.0, 4.0]], do: same(&loop_gradient/1, [Nx.tensor(x)])
    x = Nx.tensor([1.5, 2.5])
    same(&Nx.Defn.grad(&1, fn x -> Nx.sum(Nx.multiply(custom(x), x)) end), [x])
    same(&Nx.Defn.grad(&1, fn x -> Nx.sum(Nx.multiply(Nx.Defn.Kernel.stop_grad(x), x)) end), [x])
  end

  # A result of a loop, of a branch, an argument, a constant: each the whole definition.
  test "definitions of one node" do
    same(fn x -> x end, [Nx.tensor([1, 2])])
    same(fn _ -> 3 end, [Nx.tensor([1, 2])])
    same(fn _ -> {Nx.iota({3}), Nx.tensor([1.5, 2.5])} end, [1])
    same(fn x -> {x, x, {x}} end, [Nx.tensor([1, 2])])
    assert Nx.Defn.jit_apply(fn _ -> {} end, [1], compiler: Nx.Vulkan) == {}
  end

  test "functions of reductions" do
    x = Nx.tensor([[1, 2], [3, 4]])
    same(&Nx.reduce(&1, 0, fn a, b -> Nx.add(a, Nx.multiply(b, 2)) end), [x])

    same(
      fn x ->
        Nx.window_reduce(x, 0, {2, 1}, fn a, b -> Nx.add(Nx.multiply(a, 3), b) end)
      end,
      [x]
    )

    same(&reduction_in_branch/1, [x])
  end

  defn reduction_in_branch(x) do
    if Nx.sum(x) > 3,
      do: Nx.reduce(x, 0, [axes: [0]], fn a, b -> a + b * 2 end),
      else: x[0]
  end

  defn composed(x) do
    # Neither the norm nor this phase are operations of the library.
    {Nx.all_close(x, x + 1), Nx.phase(Nx.complex(x, x)) * 0, Nx.cumulative_sum(x, axis: 1)}
  end

  test "blocks, of the library and composed" do
    same(&composed/1, [Nx.tensor([[1.0, 2.0], [3.0, 4.0]])])
  end
end
