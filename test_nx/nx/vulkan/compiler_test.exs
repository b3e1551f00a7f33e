Code.require_file("../../../test/crossings.exs", __DIR__)

defmodule Nx.Vulkan.CompilerTest do
  # Counts the kernels and the programs of the whole VM.
  use ExUnit.Case, async: false
  @moduletag :device

  import Nx.Defn, except: [jit: 1, jit: 2]
  import Nx.Testing

  alias Nx.Vulkan.{Backend, Crossings, Programs}

  defp jit(fun, opts \\ []), do: Nx.Defn.jit(fun, [compiler: Nx.Vulkan] ++ opts)
  defp compiled, do: Nx.Vulkan.counters!().kernels_compiled

  setup do
    {:ok, engine} = Nx.Vulkan.Device.engine()
    Programs.forget(engine)
  end

  # Programs that `fun` adds.
  defp added(fun) do
    before = Programs.size()
    fun.()
    Programs.size() - before
  end

  # The moments of a gradient: `mean` takes every gradient before it.
  defn step(x, mean) do
    gradient = grad(x, fn x -> Nx.sum(Nx.cos(x) * x) end)
    mean = 0.9 * mean + 0.1 * gradient
    {x - 0.1 * mean, mean}
  end

  describe "calls" do
    test "run the same kernels in each step of a loop whose state is not read" do
      step = jit(&step/2)
      x = Nx.iota({8}, type: :f32)
      run = fn n, state -> Enum.reduce(1..n, state, fn _, {x, mean} -> step.(x, mean) end) end

      state = run.(3, {x, Nx.multiply(x, 0)})
      state |> Tuple.to_list() |> Enum.each(&Nx.to_binary/1)
      before = compiled()
      {x, _} = run.(197, state)
      assert Enum.all?(Nx.to_flat_list(x), &is_float/1)
      assert compiled() == before
    end

    test "cross the NIF once" do
      step = jit(&step/2)
      x = Nx.reverse(Nx.iota({8}, type: :f32))
      step.(x, x)
      assert Crossings.of(fn -> step.(x, x) end) == [:invoke]
    end

    # Nx hands arguments over as functions.
    test "ask for the arguments that results need, and for no others" do
      me = self()
      fun = fn a, b, c -> {Nx.add(a, 1), c, Nx.multiply(b, 0) |> then(fn _ -> a end)} end
      {fun, vars, _templates, _args} = Nx.Defn.Compiler.to_lazy_params(fun, [1, 2, 3])
      lazy = for n <- 1..3, do: fn -> send(me, {:asked, n}) && Nx.tensor(n) end

      for _ <- 1..2 do
        [{x, y, z}] = Nx.Defn.Compiler.__jit__(fun, vars, [lazy], compiler: Nx.Vulkan)
        assert Enum.map([x, y, z], &Nx.to_number/1) == [2, 3, 1]
        assert_received {:asked, 1}
        assert_received {:asked, 3}
        refute_received {:asked, _}
      end
    end

    test "take tensors of Nx.BinaryBackend, numbers and vectorized tensors" do
      fun = jit(fn a, b, c -> Nx.add(Nx.multiply(a, b), c) end)
      a = Nx.tensor([1, 2], backend: Nx.BinaryBackend)
      v = Nx.vectorize(Nx.tensor([10, 20], backend: Nx.BinaryBackend), :v)
      assert fun.(a, 3, Nx.tensor([0, 1])) |> Nx.to_flat_list() == [3, 7]
      assert %{vectorized_axes: [v: 2]} = t = fun.(a, 3, v)
      assert t |> Nx.devectorize() |> Nx.to_flat_list() == [13, 16, 23, 26]
      assert %{names: [:x]} = fun.(Nx.tensor([1, 2], names: [:x]), 2, 0)
    end

    # All that a backend needs for Nx.Defn.Evaluator to compute on it.
    defmodule Transfers do
      defstruct [:bits]

      def from_binary(out, bits, _opts), do: %{out | data: %__MODULE__{bits: bits}}

      def backend_transfer(t, backend, opts) do
        send(self(), {:transferred, t.shape})
        backend.from_binary(t, t.data.bits, opts)
      end
    end

    test "take tensors of backends that have no copies" do
      elsewhere = fn t ->
        t = Nx.backend_copy(t, Nx.BinaryBackend)
        %{t | data: %Transfers{bits: Nx.to_binary(t)}}
      end

      [n, x] = Enum.map([Nx.tensor(3), Nx.tensor([1.5, 2.5], names: [:x])], elsewhere)
      host = fn t -> Nx.runtime_call(t, t, [], fn t, [] -> elsewhere.(t) end) end

      for fun <- [&Nx.multiply/2, &Nx.multiply(host.(&1), &2)] do
        assert %{names: [:x]} = t = jit(fun).(n, x)
        assert Nx.to_flat_list(t) == [4.5, 7.5]
        assert_received {:transferred, {}}
        assert_received {:transferred, {2}}
      end

      jit(fn n, _ -> Nx.add(n, 1) end).(n, x)
      assert_received {:transferred, {}}
      refute_received {:transferred, {2}}
    end

    test "refuse expressions, and templates" do
      assert_raise ArgumentError, ~r/expression/, fn ->
        jit(fn x -> jit(&Nx.add(&1, 1), on_conflict: :force).(x) end).(2)
      end

      assert_raise RuntimeError, ~r/TemplateBackend/, fn ->
        jit(&Nx.add(&1, 1)).(Nx.template({2}, :s32))
      end
    end

    test "of a compiled definition look nothing up" do
      add = Nx.Defn.compile(&Nx.add/2, [Nx.template({2}, :s32), 1], compiler: Nx.Vulkan)
      assert added(fn -> assert Nx.to_flat_list(add.(Nx.tensor([1, 2]), 3)) == [4, 5] end) == 0

      assert_raise CompileError, fn ->
        Nx.Defn.compile(&wrong/1, [1], compiler: Nx.Vulkan)
      end
    end
  end

  # A batch puts its entries together when it is asked for them. That of `b` would fail.
  test "lazy containers make the tensors that results need" do
    [first, second] =
      for i <- 1..2, do: Map.new([:a, :b, :c], &{&1, Nx.tensor([[i, i + 1]], backend: Backend)})

    batch = Nx.Batch.concatenate([first, second])
    for %{b: b} <- [first, second], do: :ok = Nx.backend_deallocate(b)

    host = fn t -> Nx.runtime_call(t, t, [], fn t, [] -> t end) end
    plain = fn %{a: a, c: c} -> {Nx.add(a, c), Nx.multiply(c, 2)} end
    calling = fn %{a: a, c: c} -> {Nx.add(host.(a), c), Nx.multiply(c, 2)} end

    for fun <- [plain, calling], _ <- 1..2 do
      assert {sum, twice} = jit(fun).(batch)
      assert {Nx.to_flat_list(sum), Nx.to_flat_list(twice)} == {[2, 4, 4, 6], [2, 4, 4, 6]}
    end

    assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> jit(& &1.b).(batch) end
  end

  defn wrong(x) do
    if x > 1, do: {x, x}, else: x
  end

  describe "results" do
    test "are tensors of their own" do
      same = jit(fn x -> {x, Nx.multiply(x, 2), x} end)
      x = Nx.add(Nx.iota({3}, backend: Backend), 1)
      {first, twice, last} = same.(x)
      assert Nx.backend_deallocate(x) == :ok
      assert Nx.to_flat_list(twice) == [2, 4, 6]
      assert Nx.backend_deallocate(first) == :ok
      assert Nx.to_flat_list(last) == [1, 2, 3]
      assert Nx.backend_deallocate(twice) == :ok
      assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.to_flat_list(x) end
      assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.to_flat_list(first) end
      assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> same.(x) end

      # Vectorized, in containers, and scalars that are known on the host.
      v = Nx.vectorize(Nx.tensor([[1, 2], [3, 4]], backend: Backend), :rows)
      number = Nx.tensor(7, backend: Backend)
      results = jit(fn v, n -> %{v: v, n: n} end).(v, number)
      assert Nx.backend_deallocate(v) == :ok
      assert Nx.backend_deallocate(number) == :ok
      assert results.v |> Nx.devectorize() |> Nx.to_flat_list() == [1, 2, 3, 4]
      assert Nx.to_number(results.n) == 7
    end

    test "of a call whose arguments are wrong are wrong when they are read" do
      take = jit(fn x, i -> Nx.take(x, i) end)
      i = Nx.add(Nx.tensor([0, 5]), Nx.reverse(Nx.tensor([0, 0])))
      t = take.(Nx.tensor([1, 2, 3]), i)
      assert_raise ArgumentError, ~r/out of bounds/, fn -> Nx.to_binary(t) end
    end
  end

  test "partitions are on all devices, as many as asked for" do
    all = Nx.Vulkan.__partitions_options__([])
    assert length(all) >= 1
    assert length(Nx.Vulkan.__partitions_options__(max_concurrency: 5)) == 5

    assert [[device: 0, max_concurrency: 1]] =
             Nx.Vulkan.__partitions_options__(device: 0, max_concurrency: 1)
  end

  describe "programs" do
    test "are shared by equal definitions and arguments" do
      x = Nx.tensor([1.0, 2.0, 3.0])
      fun = fn x, opts -> Nx.sum(x, axes: opts[:axes]) end
      run = fn x, axes -> Nx.to_binary(jit(fun).(x, axes: axes)) end

      assert added(fn ->
               for _ <- 1..3, do: run.(x, [0])
             end) == 1

      assert added(fn -> run.(x, [-1]) end) == 1
      assert added(fn -> run.(Nx.tensor([1, 2, 3]), [0]) end) == 1
      assert added(fn -> run.(Nx.tensor([1.0, 2.0]), [0]) end) == 1
      assert added(fn -> run.(Nx.tensor([1.0, 2.0, 4.0], names: [:x]), [0]) end) == 1
      assert added(fn -> run.(Nx.vectorize(Nx.tensor([[1.0], [2.0]]), :v), [0]) end) == 1
      assert added(fn -> run.(Nx.tensor([5.0, 2.0, 3.0]), [0]) end) == 0
    end

    test "of definitions that close over different tensors are different" do
      closure = fn numbers ->
        t = Nx.tensor(numbers, backend: Nx.BinaryBackend)
        fn x -> Nx.add(x, t) end
      end

      for numbers <- [[1, 2], [3, 4], [1, 2]] do
        expected = Enum.map(numbers, &(&1 + 1))
        assert jit(closure.(numbers)).(Nx.tensor([1, 1])) |> Nx.to_flat_list() == expected
      end
    end

    defn(printed(x), do: print_expr(x + 1))

    # The process prints once more, when the call is over.
    defp output(fun) do
      ExUnit.CaptureIO.capture_io(fn ->
        fun.()
        IO.write("end")
      end)
    end

    test "of definitions that print while they are traced are made at each call" do
      fun = jit(&printed/1, on_conflict: :force)
      silent = jit(&Nx.add(&1, 1))
      kept = Programs.size()
      two = Nx.tensor(2, backend: Backend)
      call = fn -> assert Nx.to_number(fun.(two)) == 3 end
      for _ <- 1..3, do: assert(output(call) =~ ~r/\A#Nx.Tensor<.*add.*>\nend\z/s)
      assert Programs.size() == kept

      for _ <- 1..2, do: assert(output(fn -> assert Nx.to_number(silent.(2)) == 3 end) == "end")
      assert Programs.size() == kept + 1

      once = fn ->
        compiled = Nx.Defn.compile(&printed/1, [1], compiler: Nx.Vulkan)
        for n <- 1..2, do: assert(Nx.to_number(compiled.(n)) == n + 1)
      end

      assert [_, _] = String.split(output(once), " = add ")

      leader = Process.group_leader()
      assert_raise RuntimeError, "no", fn -> jit(fn _ -> raise "no" end).(1) end
      assert Process.group_leader() == leader

      # A definition within one that is being traced, and a process that lives on.
      me = self()
      start = fn -> spawn(fn -> send(me, IO.write("later")) end) end

      nested = fn ->
        jit(fn x -> call.() && start.() && x end).(1)
        assert_receive :ok
      end

      for _ <- 1..2, do: assert(output(nested) =~ ~r/\A#Nx.Tensor<.*>\nlaterend\z/s)
    end

    test "are bounded: those used longest ago go" do
      x = Nx.tensor([1, 2])
      keep = fn -> jit(&Nx.add(&1, 41)).(x) end
      keep.()

      for n <- 1..(Programs.capacity() + 10) do
        jit(fn x -> Nx.add(x, n) end).(x)
        if rem(n, 100) == 0, do: assert(added(keep) == 0)
        assert Programs.size() <= Programs.capacity()
      end

      assert added(keep) == 0
      assert jit(fn x -> Nx.add(x, 1) end).(x) |> Nx.to_flat_list() == [2, 3]
    end

    test "are made by many processes at once" do
      1..40
      |> Task.async_stream(
        fn i -> Nx.to_number(jit(fn x -> Nx.add(x, rem(i, 3)) end).(10)) end,
        max_concurrency: 20
      )
      |> Enum.each(fn {:ok, n} -> assert n in 10..12 end)
    end

    test "go with their engine" do
      fun = jit(&Nx.multiply(&1, 3))
      assert Nx.to_number(fun.(2)) == 6
      compiled = Nx.Defn.compile(&Nx.multiply(&1, 3), [1], compiler: Nx.Vulkan)
      before = Programs.size()
      Nx.Vulkan.close()
      assert Programs.size() < before
      assert Nx.to_number(fun.(2)) == 6
      assert Nx.to_number(compiled.(3)) == 9
    end
  end

  describe "large definitions" do
    test "of 10 000 operations in a row, and with shared operands" do
      x = Nx.tensor(1.0, type: :f64)
      deep = jit(fn x -> Enum.reduce(1..10_000, x, fn _, x -> Nx.add(x, 1.0) end) end)
      assert Nx.to_number(deep.(x)) == 10_001.0

      # 2^60 paths.
      shared = jit(fn x -> Enum.reduce(1..60, x, fn _, x -> Nx.add(x, x) end) end)
      assert Nx.to_number(shared.(x)) == :math.pow(2, 60)
    end

    deftransformp(deep(x), do: Enum.reduce(1..10_000, x, fn _, x -> Nx.add(x, 1.0) end))
    deftransformp(shared(x), do: Enum.reduce(1..60, x, fn _, x -> Nx.add(x, x) end))

    # In branches, in the surroundings of these, in loops; without a call of the host and with one.
    defn large(x) do
      before = shared(x)
      y = if x > 0, do: deep(before) - shared(before), else: hook(shared(before), :small)

      {_, y} =
        while {i = 0, y}, i < 2 do
          {i + 1, shared(deep(y) * 1.0e-18)}
        end

      {hook(y, :last), Nx.runtime_call(y, shared(y), [], &host_same/2)}
    end

    defn large_without(x) do
      before = shared(x)
      y = if x > 0, do: deep(before) - shared(before), else: shared(before)

      {_, y} =
        while {i = 0, y}, i < 2 do
          {i + 1, shared(deep(y) * 1.0e-18)}
        end

      {y, shared(y)}
    end

    def host_same(t, []), do: t

    test "of many operations in branches and loops, and between calls of the host" do
      quiet = fn _ -> :ok end

      for x <- [1.0, -1.0] do
        x = Nx.tensor(x, type: :f64)
        {a, b} = jit(&large/1, hooks: %{small: quiet, last: quiet}).(x)
        {c, d} = jit(&large_without/1).(x)
        assert Enum.map([a, b], &Nx.to_binary/1) == Enum.map([c, d], &Nx.to_binary/1)
        assert Nx.is_nan(a) |> Nx.to_number() == 0
      end
    end
  end

  describe "calls of the host" do
    defn hooks(x) do
      x = hook(x + 1, :first)
      y = hook({x, x * 2}, :both)

      z =
        if Nx.sum(x) > 3 do
          hook(elem(y, 1) + 1, :branch)
        else
          hook(elem(y, 0), :other)
        end

      {_, z} =
        while {i = 0, z}, i < 2 do
          {i + 1, hook(z * 2, :round)}
        end

      z
    end

    defp seen(name) do
      me = self()

      fn value ->
        list = [value] |> Nx.Defn.Composite.flatten_list() |> Enum.map(&Nx.to_flat_list/1)
        send(me, {name, list})
      end
    end

    defp received do
      receive do
        message -> [message | received()]
      after
        0 -> []
      end
    end

    test "come in order, in loops and branches" do
      names = [:first, :both, :branch, :other, :round]
      listening = jit(&hooks/1, hooks: Map.new(names, &{&1, seen(&1)}))

      for _ <- 1..2 do
        assert Nx.to_flat_list(listening.(Nx.tensor([1, 2]))) == [20, 28]

        assert received() == [
                 first: [[2, 3]],
                 both: [[2, 3], [4, 6]],
                 branch: [[5, 7]],
                 round: [[10, 14]],
                 round: [[20, 28]]
               ]
      end

      some = jit(&hooks/1, hooks: %{round: seen(:round)})
      assert Nx.to_flat_list(some.(Nx.tensor([0, 0]))) == [4, 4]
      assert received() == [round: [[2, 2]], round: [[4, 4]]]
    end

    test "cost nothing where nobody listens" do
      fun = jit(&hooks/1)
      x = Nx.reverse(Nx.tensor([2, 1]))
      assert Nx.to_flat_list(fun.(x)) == [20, 28]
      assert Crossings.of(fn -> fun.(x) end) == [:invoke]
    end

    defn straight(x, y) do
      {x, z} = hook({x + 1, x * y}, :first)
      x = print_value(x, fn x -> x * 2 end)
      shown = hook(%{sum: Nx.sum(z), x: x}, :second)
      if shown.sum > 100, do: x, else: z
    end

    test "are part of one call where they are not in loops or branches" do
      fun = jit(&straight/2, hooks: %{first: seen(:first), second: seen(:second)})
      [x, y] = for list <- [[1, 2], [3, 4]], do: list |> Nx.tensor() |> Nx.reverse()
      expected = [first: [[3, 2], [8, 3]], second: [[11], [3, 2]]]

      for _ <- 1..2 do
        output = ExUnit.CaptureIO.capture_io(fn -> send(self(), {:result, fun.(x, y)}) end)
        assert output =~ "[6, 4]"
        assert_received {:result, z}
        assert Nx.to_flat_list(z) == [8, 3]
        assert received() == expected
      end

      quiet = jit(&hooks/1, hooks: %{first: fn _ -> :ok end})
      t = Nx.reverse(Nx.tensor([1, 2]))
      quiet.(t)
      assert Crossings.of(fn -> quiet.(t) end) == [:invoke]
    end

    defn on_host(x) do
      y = Nx.runtime_call(x, x * 2, [add: 1], &host_add/2)
      if Nx.sum(y) > 10, do: y * 2, else: y
    end

    def host_add(t, add: n), do: Nx.add(Nx.backend_copy(t, Nx.BinaryBackend), n)

    defn parts(x) do
      {_, y} =
        while {i = 0, y = x}, i < 3 do
          {i + 1, y * 2}
        end

      z = Nx.runtime_call(y, y, [], &host_same/2)

      {_, _, z} =
        while {i = 0, n = 3, z}, i < n do
          {_, z} =
            while {j = 0, z}, j < 4 do
              {j + 1, if(Nx.sum(z) > 100, do: z - 1, else: z + 1)}
            end

          {i + 1, n, hook(z, :round)}
        end

      Nx.sin(Nx.sum(z) + Nx.sum(y))
    end

    # One call of a function for what lies between two calls of the host; a read for each condition.
    test "leave parts between them, which are compiled" do
      fun = jit(&parts/1, hooks: %{round: fn _ -> :ok end})
      x = Nx.reverse(Nx.tensor([1, 2]))
      assert added(fn -> fun.(x) end) == 1
      crossings = Crossings.of(fn -> fun.(x) end)
      assert Enum.count(crossings, &(&1 == :invoke)) == 2 + 4 + 3 + 1
      assert Enum.uniq(crossings) -- [:invoke, :read] == []
      assert added(fn -> fun.(x) end) == 0
      assert_all_close(fun.(x), Nx.Defn.jit_apply(&parts/1, [x], compiler: Nx.Defn.Evaluator))
    end

    test "may compute" do
      fun = jit(&on_host/1)
      assert Nx.to_flat_list(fun.(Nx.tensor([1, 2]))) == [3, 5]
      assert Nx.to_flat_list(fun.(Nx.tensor([3, 4]))) == [14, 18]
    end
  end
end
