defmodule Nx.Vulkan.DefineTest do
  # Functions, as Nx.Vulkan.Native has them, and the table of what was compiled.
  # It counts the programs that processes share.
  use ExUnit.Case, async: false

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Device, Native, Programs, Value}

  describe "functions" do
    @describetag :device

    defp made({:ok, answer}), do: made({:ok, answer, nil})
    defp made({:ok, answer, _pressure}), do: answer

    defp parameter(type, shape) do
      {:ok, engine} = Device.engine()
      made(Native.parameter(engine, type, shape)) |> elem(0)
    end

    defp define(type, shape, count, fun) do
      parameters = for _ <- 1..count, do: parameter(type, shape)
      results = parameters |> Enum.map(&tensor(&1, type, shape)) |> fun.()
      made(Native.function(parameters, Enum.map(results, & &1.ref)))
    end

    # As the direct API has it.
    defp tensor(ref, type, shape) do
      {:ok, engine} = Device.engine()
      %V.Tensor{ref: ref, type: type, shape: List.to_tuple(shape), engine: engine}
    end

    defp call(constructor) do
      {:ok, tensors} = Value.make(constructor)
      Enum.map(tensors, &V.to_list!/1)
    end

    defp refs(lists), do: Enum.map(lists, &V.tensor!(&1, type: :f32).ref)

    test "are called with arguments" do
      f = define(:f32, [2], 2, fn [a, b] -> [V.add!(a, b), a, V.multiply!(a, 2)] end)

      for _ <- 1..2 do
        {:ok, results} = Value.make(fn -> Native.invoke(f, refs([[1, 2], [3, 4]])) end)
        results = Enum.map(results, &tensor(&1, :f32, [2]))
        assert Enum.map(results, &V.to_list!/1) == [[4.0, 6.0], [1.0, 2.0], [2.0, 4.0]]
      end
    end

    test "are loops and branches" do
      body = define(:f32, [], 1, fn [a] -> [V.multiply!(a, 2)] end)
      condition = define(:f32, [], 1, fn [a] -> [V.less!(a, 100)] end)
      assert call(fn -> Native.while(refs([3]), condition, body) end) == [[192.0]]

      other = define(:f32, [], 1, fn [a] -> [V.negate!(a)] end)
      run = fn n -> call(fn -> Native.cond(refs([n]), [body, other], refs([5])) end) end
      assert run.(1) == [[10.0]]
      assert run.(0) == [[-5.0]]
    end

    test "say what does not fit" do
      p = parameter(:f32, [2])
      other = V.add!(tensor(p, :f32, [2]), 1)
      f = define(:f32, [2], 1, fn [a] -> [V.negate!(a)] end)

      for {call, message} <- [
            {fn -> Native.function([], [other.ref]) end, ~r/parameter/},
            {fn -> Native.function([p], []) end, ~r/no tensor/},
            {fn -> Native.function([p, p], [other.ref]) end, ~r/twice/},
            {fn -> Native.invoke(f, []) end, ~r/0 where 1/},
            {fn -> Native.invoke(f, refs([[1, 2, 3]])) end, ~r/number 0/},
            {fn -> Native.while([], f, f) end, ~r/no tensor/},
            {fn -> Native.while(refs([[1, 2]]), f, f) end, ~r/scalar/},
            {fn -> Native.cond(refs([1]), [f], refs([[1, 2]])) end, ~r/one function more/},
            {fn -> Native.cond(refs([[1, 2]]), [f, f], refs([[1, 2]])) end, ~r/scalar/}
          ] do
        assert {:error, :invalid_argument, text} = call.()
        assert text =~ message
      end

      assert_raise ArgumentError, fn -> Native.invoke(p, []) end
      assert_raise ArgumentError, fn -> Native.invoke(f, :none) end
      assert_raise V.Error, ~r/parameter/, fn -> V.to_list!(other) end
    end

    test "several values are computed by one request" do
      tensors = for i <- 1..3, do: V.add!(V.iota!({4}), i)
      assert Native.evaluate_all(Enum.map(tensors, & &1.ref)) == :ok
      assert Native.evaluate_all([]) == :ok
      assert Enum.map(tensors, &V.to_list!/1) == for(i <- 1..3, do: Enum.to_list(i..(i + 3)))
    end
  end

  describe "programs" do
    # By another process, which remembers nothing.
    defp fetch(key, owner, make),
      do: Task.async(fn -> Programs.fetch(key, owner, make) end) |> Task.await()

    test "are made once for a key, and forgotten with their owner" do
      owner = make_ref()
      key = {:key, make_ref()}
      assert fetch(key, owner, fn -> :first end) == :first
      assert fetch(key, owner, fn -> :again end) == :first
      Programs.forget(make_ref())
      assert fetch(key, owner, fn -> :again end) == :first
      Programs.forget(owner)
      assert fetch(key, owner, fn -> :second end) == :second
      Programs.forget(owner)
    end

    test "of equal numbers differ, where these are not the same" do
      for fetch <- [&fetch/3, &Programs.fetch/3], key <- [make_ref()], _ <- 1..2 do
        assert fetch.({key, 1}, key, fn -> :integer end) == :integer
        assert fetch.({key, 1.0}, key, fn -> :float end) == :float
      end
    end

    test "are kept by their process alone where a key is large" do
      # 2^60 parts, of which 60 are different.
      large = Enum.reduce(1..60, make_ref(), fn _, part -> {part, part} end)
      key = fn -> fn -> large end end
      refute Programs.moderate?(key)
      assert Programs.moderate?(fn -> [1, %{a: 2} | 3] end)
      before = Programs.size()

      for _ <- 1..2 do
        made = if Process.get(:made), do: :again, else: :first
        Process.put(:made, true)
        assert Programs.fetch(key, make_ref(), fn -> made end) == :first
      end

      assert Programs.size() == before
    end

    test "are not kept where they cannot be made" do
      key = {:key, make_ref()}

      assert_raise ArithmeticError, fn ->
        Programs.fetch(key, nil, fn -> raise ArithmeticError end)
      end

      assert Programs.fetch(key, make_ref(), fn -> :made end) == :made
    end
  end
end
