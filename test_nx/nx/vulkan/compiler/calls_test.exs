defmodule Nx.Vulkan.Compiler.CallsTest do
  # Calls of the host, inside of loops and branches nested in any way: which, with what, in which order,
  # and the results, are those of Nx.Defn.Evaluator on the same device. One difference is left alone: what
  # the evaluator first met in a condition it forgets when that is false, and calls once more.
  # NXV_DEFINITIONS: how many random definitions; NXV_SEED: which.
  use ExUnit.Case, async: true
  @moduletag :device
  @moduletag timeout: :infinity

  import Nx.Defn

  # Nx 0.14 has another name for hooks.
  Code.ensure_loaded!(Nx.Defn.Kernel)
  @hook if function_exported?(Nx.Defn.Kernel, :io_call, 2), do: :io_call, else: :hook

  # Tells the process that runs the definition.
  deftransformp(seen(value, tag), do: apply(Nx.Defn.Kernel, @hook, [value, &tell(tag, &1)]))

  defp tell(tag, value) do
    bits = for t <- Nx.Defn.Composite.flatten_list([value]), do: {t.type, t.shape, bits(t)}
    send(self(), {:called, tag, bits})
    value
  end

  defp bits(t), do: t |> Nx.devectorize() |> Nx.to_binary()

  deftransformp(computed({x, y}, tag), do: Nx.runtime_call(x, {x, y}, [tag: tag], &on_host/2))

  def on_host({x, y}, tag: tag) do
    tell(tag, {x, y})
    [x, y] = for t <- [x, y], do: Nx.backend_copy(t, Nx.BinaryBackend)
    Nx.add(x, Nx.multiply(y, 2))
  end

  defp run(fun, args, compiler) do
    result = Nx.Defn.jit_apply(fun, args, compiler: compiler)
    {for(t <- Nx.Defn.Composite.flatten_list([result]), do: {t.type, t.shape, bits(t)}), called()}
  end

  defp called do
    receive do
      {:called, tag, bits} -> [{tag, bits} | called()]
    after
      0 -> []
    end
  end

  # What was called: the tags, in order.
  defp same(fun, args, context \\ "") do
    theirs = run(fun, args, Nx.Defn.Evaluator)

    for _ <- 1..2 do
      ours = run(fun, args, Nx.Vulkan)
      assert tags(ours) == tags(theirs), context
      assert ours == theirs, context
    end

    tags(theirs)
  end

  defp tags({_result, calls}), do: Enum.map(calls, &elem(&1, 0))

  # ---- Single shapes ----

  defn in_condition(x) do
    while x, seen(Nx.sum(x), :condition) < 20 do
      seen(x * 2, :body)
    end
  end

  test "in the condition of a loop" do
    assert same(&in_condition/1, [Nx.tensor([1, 2])]) ==
             [:condition, :body, :condition, :body, :condition, :body, :condition]

    assert same(&in_condition/1, [Nx.tensor([10, 20])]) == [:condition]
  end

  # The condition and the body share what is called: once a round.
  defn shared_round(x) do
    {_, x} =
      while {m = x, x}, Nx.sum(seen(m + x, :shared)) < 30 do
        {x, seen(m + x, :other)}
      end

    x
  end

  test "in what a condition and its body have in common" do
    assert [:shared, :other, :shared | _] = same(&shared_round/1, [Nx.tensor([1, 2])])
  end

  defn either(x, y) do
    kept = seen(x * 3, :kept)
    first = if Nx.sum(y) > 0, do: kept + y, else: x
    second = if Nx.sum(x) > 0, do: kept - first, else: seen(first, :last)
    {first, second}
  end

  test "made by whichever branch comes first, once" do
    assert same(&either/2, [Nx.tensor([1, 1]), Nx.tensor([1, 1])]) == [:kept]
    assert same(&either/2, [Nx.tensor([1, 1]), Nx.tensor([-1, 1])]) == [:kept]
    assert same(&either/2, [Nx.tensor([-1, 1]), Nx.tensor([1, 1])]) == [:kept, :last]
    assert same(&either/2, [Nx.tensor([-1, 1]), Nx.tensor([0, 0])]) == [:last]
  end

  defn clauses(x) do
    cond do
      seen(Nx.sum(x), :first) > 100 -> x
      seen(Nx.reduce_max(x), :second) > 10 -> seen(x + 1, :a)
      seen(Nx.reduce_min(x), :third) > 3 -> seen(x - 1, :b)
      true -> seen(Nx.negate(x), :c)
    end
  end

  test "in conditions, one after the other" do
    assert same(&clauses/1, [Nx.tensor([100, 1])]) == [:first]
    assert same(&clauses/1, [Nx.tensor([11, 1])]) == [:first, :second, :a]
    assert same(&clauses/1, [Nx.tensor([4, 5])]) == [:first, :second, :third, :b]
    assert same(&clauses/1, [Nx.tensor([1, 2])]) == [:first, :second, :third, :c]
  end

  # What conditions that do not hold have called is not called again.
  defn again(x) do
    total = seen(Nx.sum(x), :total)

    cond do
      Nx.reduce_max(x) > 10 -> x
      total > 5 -> x + 1
      total > 3 -> x + 2
      true -> x * total
    end
  end

  test "in what conditions share, once" do
    again = Nx.Defn.jit(&again/1, compiler: Nx.Vulkan)

    for {x, result, tags} <- [
          {[11, 1], [11, 1], []},
          {[3, 3], [4, 4], [:total]},
          {[2, 2], [4, 4], [:total]},
          {[1, 1], [2, 2], [:total]}
        ] do
      assert x |> Nx.tensor() |> again.() |> Nx.to_flat_list() == result
      assert Enum.map(called(), &elem(&1, 0)) == tags
    end
  end

  defn nested(x, n) do
    {_, _, x} =
      while {i = 0, n, x}, i < n do
        {_, y} =
          while {j = 0, y = x}, j < 3 do
            {j + 1, if(Nx.sum(y) > 10, do: seen(y - 3, {:inner, :branch}), else: y * 2)}
          end

        {_, z} =
          while {j = 0, z = y}, j < 2 do
            {j + 1, z + 1}
          end

        {i + 1, n, seen(computed({z, x}, :host), :outer)}
      end

    x
  end

  test "in loops in loops, beside loops without" do
    for n <- [0, 1, 3], do: same(&nested/2, [Nx.tensor([1, 2]), n])
  end

  defn containers(x) do
    %{a: a, b: {b, c}} = seen(%{a: x, b: {x + 1, x * 2}}, :map)
    {d, e} = if Nx.sum(x) > 3, do: seen({b, c}, :tuple), else: {c, seen(b, :b)}
    {a, {seen(d, :d), e}, %{x: seen(c, :c), x2: x}}
  end

  test "of containers" do
    assert same(&containers/1, [Nx.tensor([1, 1])]) == [:map, :b, :d, :c]
    assert same(&containers/1, [Nx.tensor([2, 2])]) == [:map, :tuple, :d, :c]
  end

  defn(vectorized(x), do: if(Nx.all(x > 0), do: seen(x + 1, :yes), else: seen(x - 1, :no)))

  defn vectorized_loop(x) do
    {_, x} =
      while {i = 0, x}, i < 2 do
        {i + 1, seen(x * 2, :round)}
      end

    x
  end

  test "of vectorized tensors" do
    x = Nx.vectorize(Nx.tensor([[1, 2], [-1, 3]]), :rows)
    same(&vectorized/1, [x])
    assert same(&vectorized_loop/1, [x]) == [:round, :round]

    assert %{vectorized_axes: [rows: 2]} =
             Nx.Defn.jit(&vectorized_loop/1, compiler: Nx.Vulkan).(x)
  end

  defn loop_gradient(x) do
    grad(x, fn x ->
      {_, y} =
        while {i = 0, y = x}, i < 3 do
          {i + 1, seen(y * y, :round)}
        end

      Nx.sum(y)
    end)
  end

  test "in loops whose gradient is taken, of each float" do
    for type <- [:f32, :f64], do: same(&loop_gradient/1, [Nx.tensor([0.5, 0.25], type: type)])
  end

  defmodule Block do
    defstruct []
  end

  deftransformp composed(x, y, fun) do
    templates = {Nx.to_template(x), Nx.to_template(y)}
    Nx.block(%Block{}, [x, y], templates, fn _, x, y -> fun.(x, y) end)
  end

  defn in_blocks(x, y) do
    {_, x, y} =
      while {i = 0, x, y}, i < 2 do
        {x, y} =
          composed(x, y, fn x, y ->
            {x, _} = composed(hook(x + y, :outer), y, fn x, y -> {hook(x * 2, :inner), y} end)
            {if(Nx.sum(x) > 20, do: seen(x, :branch), else: x), y + 1}
          end)

        {i + 1, x, y}
      end

    {x, y}
  end

  # Nx.Defn.Evaluator calls the functions of blocks with tensors, and does not know names there.
  test "in blocks of users, in order" do
    named = Map.new([:outer, :inner], &{&1, fn value -> tell(&1, value) end})
    [x, y] = Enum.map([[1, 2], [3, 4]], &Nx.tensor/1)

    for hooks <- [named, %{}], _ <- 1..2 do
      {x, y} = Nx.Defn.jit_apply(&in_blocks/2, [x, y], compiler: Nx.Vulkan, hooks: hooks)
      assert {Nx.to_flat_list(x), Nx.to_flat_list(y)} == {[24, 34], [5, 6]}
      tags = if hooks == named, do: [:outer, :inner, :outer, :inner, :branch], else: [:branch]
      assert Enum.map(called(), &elem(&1, 0)) == tags
    end
  end

  test "in the functions of reductions, of elements" do
    x = Nx.tensor([[1, 2], [3, 4]])

    fun = fn x ->
      Nx.reduce(x, 0, [axes: [1]], fn a, b -> Nx.add(seen(a, :element), Nx.multiply(b, 2)) end)
    end

    result = Nx.Defn.jit(fun, compiler: Nx.Vulkan).(x)
    assert Nx.to_flat_list(result) == [4, 10]
    assert result.data.__struct__ == Nx.Vulkan.Backend
    assert [element: _, element: _, element: _, element: _] = called()
  end

  test "that are wrong raise, and leave nothing behind" do
    fun = fn x ->
      Nx.multiply(Nx.runtime_call(x, x, [], fn x, _ -> Nx.as_type(x, :f32) end), 2)
    end

    assert_raise RuntimeError, ~r/to match the given output template/, fn ->
      Nx.Defn.jit_apply(fun, [Nx.tensor([1, 2])], compiler: Nx.Vulkan)
    end

    raising = fn x -> Nx.runtime_call(x, x, [], fn _, _ -> raise "no" end) end

    assert_raise RuntimeError, "no", fn ->
      Nx.Defn.jit_apply(raising, [Nx.tensor([1, 2])], compiler: Nx.Vulkan)
    end
  end

  test "answer tensors of their own" do
    same = Nx.Defn.jit(fn x -> {x, seen(x, :x), computed({x, x}, :host)} end, compiler: Nx.Vulkan)
    x = Nx.add(Nx.iota({3}), 1)
    {first, second, third} = same.(x)
    assert Nx.backend_deallocate(x) == :ok
    assert Nx.backend_deallocate(first) == :ok
    assert Nx.to_flat_list(second) == [1, 2, 3]
    assert Nx.to_flat_list(third) == [3, 6, 9]
    called()
  end

  # ---- Random definitions ----

  # A definition is a list of steps on {x, y, n}: two vectors and a counter.
  deftransformp(apply_steps(state, steps), do: Enum.reduce(steps, state, &step/2))

  defp step({:pure, op}, {x, y, n}), do: {apply(Nx, op, [x, y]), x, n}
  defp step(:sine, {x, y, n}), do: {Nx.sin(x), y, n}
  defp step(:count, {x, y, n}), do: {y, x, Nx.add(n, 1)}
  defp step(:constant, {x, y, n}), do: {x, Nx.add(y, Nx.tensor([0.5, 1.5, -1.0, 2.0])), n}
  defp step({:hook, tag}, {x, y, n}), do: {seen(x, tag), y, n}
  defp step({:both, tag}, {x, y, n}), do: Tuple.insert_at(seen({y, x}, tag), 2, n)
  defp step({:host, tag}, {x, y, n}), do: {y, computed({x, y}, tag), n}
  defp step({kind, tag, opts}, state), do: block(kind, state, [tag: tag] ++ opts)

  defp block(:loop, state, opts), do: loop(state, opts)
  defp block(:until, state, opts), do: until(state, opts)
  defp block(:branch, state, opts), do: branch(state, opts)
  defp block(:clauses, state, opts), do: many(state, opts)
  defp block(:lazy, state, opts), do: lazy(state, opts)

  defn loop(state, opts \\ []) do
    {_, state} =
      while {i = 0, state}, i < opts[:rounds] do
        {i + 1, apply_steps(state, opts[:a])}
      end

    state
  end

  defn until({_, _, _} = state, opts \\ []) do
    {_, state} =
      while {i = 0, state}, i < 4 and seen(Nx.sum(elem(state, 0)), opts[:tag]) < opts[:limit] do
        {i + 1, apply_steps(state, opts[:a])}
      end

    state
  end

  # The evaluator has `needed` before it comes to conditions, so that it forgets none of it.
  deftransformp after_all(result, needed, tag) do
    {_, result} = seen({needed, result}, {tag, :after})
    result
  end

  defn branch({_, y, _} = state, opts \\ []) do
    result =
      if Nx.sum(y) > opts[:limit],
        do: apply_steps(state, opts[:a]),
        else: apply_steps(state, opts[:b])

    after_all(result, state, opts[:tag])
  end

  defn many({x, y, n} = state, opts \\ []) do
    total = seen(Nx.sum(x), opts[:tag])
    other = seen(total * 2, {opts[:tag], :again})

    result =
      cond do
        Nx.sum(y) > opts[:limit] -> apply_steps(state, opts[:a])
        total > opts[:limit] -> apply_steps({y, x + total, n}, opts[:b])
        other + total > 1 -> {x + total, y, n}
        true -> apply_steps(state, opts[:a])
      end

    after_all(result, {state, total, other}, opts[:tag])
  end

  # What the branches need of their surroundings calls, too.
  defn lazy({x, y, n} = state, opts \\ []) do
    called = seen(Nx.tanh(x), opts[:tag])
    quiet = Nx.cos(y)

    first =
      if Nx.sum(x) > opts[:limit],
        do: apply_steps({called, quiet, n}, opts[:a]),
        else: {quiet, y, n}

    {a, _, _} = first = after_all(first, state, {opts[:tag], :first})

    {c, d, n} =
      if(Nx.sum(a) > 0, do: apply_steps(first, opts[:b]), else: {called + quiet, quiet, n})
      |> after_all(first, {opts[:tag], :second})

    {c + quiet, d, n}
  end

  defp steps(depth), do: for(_ <- 1..:rand.uniform(4), do: random(depth))

  defp random(0) do
    case :rand.uniform(8) do
      1 -> :sine
      2 -> :count
      3 -> :constant
      4 -> {:hook, make_ref()}
      5 -> {:both, make_ref()}
      6 -> {:host, make_ref()}
      _ -> {:pure, Enum.random(~w(add subtract multiply min max)a)}
    end
  end

  defp random(depth) do
    if :rand.uniform() < 0.5 do
      random(0)
    else
      kind = Enum.random([:loop, :until, :branch, :clauses, :lazy])
      opts = [a: steps(depth - 1), b: steps(depth - 1), rounds: :rand.uniform(3) - 1]
      {kind, make_ref(), [limit: 2 * :rand.normal()] ++ opts}
    end
  end

  test "of random definitions come in the same order" do
    seed = String.to_integer(System.get_env("NXV_SEED", "1"))
    count = String.to_integer(System.get_env("NXV_DEFINITIONS", "30"))

    calls =
      for i <- seed..(seed + count - 1), reduce: 0 do
        calls ->
          :rand.seed(:exsss, i)
          steps = steps(3)
          fun = fn x, y, n -> apply_steps({x, y, n}, steps) end

          for _ <- 1..2, reduce: calls do
            calls ->
              [x, y] = for _ <- 1..2, do: Nx.tensor(for _ <- 1..4, do: :rand.normal())
              args = [x, y, Nx.tensor(:rand.uniform(3))]
              context = "NXV_SEED=#{i}: #{inspect(steps)}"
              calls + length(same(fun, args, context))
          end
      end

    assert calls > 4 * count
  end
end
