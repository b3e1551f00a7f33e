defmodule Nx.Vulkan.Compiler.ContainersTest do
  # What definitions take, pass on and answer: structs, tuples of tuples, empty ones, lazy containers,
  # vectorized tensors, in loops, branches, blocks and calls of the host. Results, calls and the arguments
  # that are asked for are those of Nx.Defn.Evaluator.
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Defn

  alias Nx.Vulkan.Containers.{Lazy, Pair}

  defmodule Sum do
    defstruct [:more]
  end

  # The container that both compilers answer, and what the process was told meanwhile.
  defp same(fun, args) do
    theirs = run(fun, args, Nx.Defn.Evaluator)
    for _ <- 1..2, do: assert(run(fun, args, Nx.Vulkan) == theirs)
    theirs
  end

  defp run(fun, args, compiler) do
    result = Nx.Defn.jit_apply(fun, args, compiler: compiler)
    {Nx.Defn.Composite.traverse(result, &plain/1), told()}
  end

  # Stands for a tensor, as one may look at it.
  defp plain(t) do
    data = t |> Nx.devectorize() |> Nx.backend_copy(Nx.BinaryBackend)
    %{t | data: data.data}
  end

  defp told do
    receive do
      message -> [message | told()]
    after
      0 -> []
    end
  end

  defp pair(a, b, tag), do: %Pair{a: Nx.tensor(a), b: Nx.tensor(b), tag: tag}

  # ---- Structs ----

  defn(swapped(pair, n), do: if(n > 0, do: pair, else: %{pair | a: pair.b, b: pair.a}))

  defn grown(pair) do
    while pair, Nx.sum(pair.a) < 50 do
      %{pair | a: pair.a * 2, b: pair.b + 1}
    end
  end

  defn inside(pair, n) do
    {_, pair, seen} =
      while {i = 0, pair, seen = {n, %{pair: pair}}}, i < 3 do
        {n, %{pair: other}} = seen
        {i + 1, swapped(pair, i - n), {n, %{pair: grown(other)}}}
      end

    {pair, seen}
  end

  test "structs, in branches and loops" do
    for n <- [0, 1], do: same(&swapped/2, [pair([1, 2], [3, 4], :kept), n])
    assert {%Pair{tag: :kept}, []} = same(&grown/1, [pair([1, 2], 0, :kept)])
    for n <- [0, 1, 5], do: same(&inside/2, [pair([1, 2], [3, 4], {:any, "term"}), n])
  end

  # ---- Tuples ----

  defn nothing(x) do
    {a, {b, {}}, {}} =
      while {a = x, {b = 0, {}}, {}}, b < 3 do
        {a + 1, {b + 1, {}}, {}}
      end

    {{}, {{a}, {}}, if(b > x, do: {{b}, {}}, else: {{x}, {}})}
  end

  defn loop_in_branch(x) do
    {a, b} = if Nx.any(x > 3), do: {x, Nx.sum(x)}, else: {x + 1, Nx.product(x)}

    {c, {d, _}} =
      if b > 5 do
        while {a, {b, more = {a, {b}}}}, b > 0 do
          {_, {n}} = more
          {a + b, {b - 2, {a, {n + 1}}}}
        end
      else
        {a, {b, {x, {b}}}}
      end

    {c, {d, {a, {c}}}}
  end

  test "tuples of tuples, and empty ones" do
    for n <- [1, 7], do: same(&nothing/1, [Nx.tensor(n)])
    for list <- [[1, 2], [4, 5], [0, 0]], do: same(&loop_in_branch/1, [Nx.tensor(list)])
    same(fn {a, {b, {}}}, %{} -> {b, %{x: {a, a}}} end, [{1, {Nx.tensor([2]), {}}}, %{}])
  end

  # ---- Lazy containers ----

  defn(taken(t, n), do: if(n > 0, do: elem(t, 0) + elem(t, 1), else: elem(t, 1)))

  test "lazy containers, of which a call asks for what any branch needs" do
    lazy = %Lazy{count: 4}
    fun = fn {_, b, _, d} -> {d, Nx.add(b, d)} end
    assert {_, [asked: 2, asked: 4]} = same(fn t -> t |> fun.() |> elem(1) end, [lazy])

    compiled = Nx.Defn.compile(fun, [lazy], compiler: Nx.Vulkan)
    assert told() == []
    assert {_, sum} = compiled.(lazy)
    assert Nx.to_flat_list(sum) == [6, 8]
    assert told() == [asked: 2, asked: 4]

    for n <- [0, 1] do
      {theirs, _} = run(&taken/2, [lazy, n], Nx.Defn.Evaluator)
      assert run(&taken/2, [lazy, n], Nx.Vulkan) == {theirs, [asked: 1, asked: 2]}
    end
  end

  # ---- Vectorized tensors ----

  defn clauses(x, y) do
    cond do
      x > 2 -> {y * 10, {x}}
      x > 1 -> {y + x, {x + 1}}
      true -> {y - 1, {x}}
    end
  end

  defn counted(x, y) do
    {_, x, y} =
      while {i = 0, x, y}, i < x do
        {i + 1, x, y + i}
      end

    {x, y}
  end

  test "vectorized tensors, in conditions of branches and loops" do
    x = Nx.vectorize(Nx.tensor([0, 1, 2, 3]), :n)
    y = Nx.vectorize(Nx.tensor([[5, 6], [7, 8]]), :m)
    rows = Nx.vectorize(Nx.tensor([[1, 2], [3, 4], [1, 1], [0, 0]]), :n)
    for args <- [[x, y], [x, 4], [2, y], [x, rows]], do: same(&clauses/2, args)
    for args <- [[x, x], [x, rows], [3, y]], do: same(&counted/2, args)
    same(fn x, y -> %{sum: Nx.add(x, y), pair: %Pair{a: y, b: x, tag: 1}} end, [x, y])
  end

  # ---- Blocks of users ----

  deftransformp summed(x, y, more) do
    Nx.block(%Sum{more: more}, [x, y], {Nx.to_template(x), Nx.to_template(y)}, fn block, x, y ->
      {Nx.add(x, block.more), Nx.multiply(y, x)}
    end)
  end

  defn blocks(x, y) do
    {_, x, y} =
      while {i = 0, x, y}, i < 3 do
        {a, b} = summed(x, y, 2)
        {c, _} = if Nx.sum(a) > 3, do: summed(a, b, 1), else: {a - b, a}
        {i + 1, c, b}
      end

    {x, y}
  end

  test "blocks of users, in loops and branches" do
    for x <- [[1, 2], [-10, 2]], do: same(&blocks/2, [Nx.tensor(x), Nx.tensor([3, 4])])
  end

  # ---- Calls of the host ----

  defn printed(x) do
    {_, x} =
      while {i = 0, x}, i < 3 do
        x =
          if i > 0,
            do: print_value(x, label: "then"),
            else: print_value(x * 2, &Nx.sum/1, label: "else")

        {i + 1, x + 1}
      end

    print_value({x, {x + 1}}, label: "last")
  end

  test "print_value in loops and branches" do
    [theirs, ours, again] =
      for compiler <- [Nx.Defn.Evaluator, Nx.Vulkan, Nx.Vulkan] do
        ExUnit.CaptureIO.capture_io(fn ->
          Nx.Defn.jit_apply(&printed/1, [Nx.tensor([1, 2])], compiler: compiler)
        end)
      end

    assert ours == theirs and again == theirs
    assert [_] = Regex.scan(~r/else/, ours)
    assert [_, _] = Regex.scan(~r/then/, ours)
    assert ours =~ "last"
  end

  test "containers from and to the host" do
    x = Nx.tensor([1, 2])
    swap = fn {a, %{b: b}}, [] -> %{b: a, a: {Nx.backend_copy(b, Nx.BinaryBackend)}} end

    same(
      fn x ->
        %{a: {a}, b: b} = Nx.runtime_call(%{b: x, a: {x}}, {x, %{b: Nx.add(x, 1)}}, [], swap)
        {Nx.subtract(a, b), %Pair{a: a, b: 1, tag: :host}}
      end,
      [x]
    )
  end

  # Nx 0.13 has tokens, which its next version does not.
  Code.ensure_loaded!(Nx.Defn.Kernel)

  if function_exported?(Nx.Defn.Kernel, :create_token, 0) do
    test "tokens call their hooks in order" do
      kernel = Nx.Defn.Kernel
      tell = fn tag -> fn t -> send(self(), {tag, Nx.to_flat_list(t)}) end end

      fun = fn x ->
        token = apply(kernel, :create_token, [])
        {token, a} = apply(kernel, :hook_token, [token, Nx.add(x, 1), tell.(1)])
        {token, b} = apply(kernel, :hook_token, [token, Nx.multiply(a, 2), tell.(2)])
        {x, b} = apply(kernel, :attach_token, [token, {x, b}])
        Nx.add(x, b)
      end

      {_, told} = same(fun, [Nx.tensor([1, 2])])
      assert told == [{1, [2, 3]}, {2, [4, 6]}]
    end
  end
end
