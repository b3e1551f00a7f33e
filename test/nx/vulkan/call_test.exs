Code.require_file("../../calls.exs", __DIR__)

defmodule Nx.Vulkan.CallTest do
  use ExUnit.Case, async: true
  @moduletag :device

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Calls, Native, Operations}

  # What stands elsewhere: functions of Nx.Vulkan of one, two, and one operand.
  @elsewhere Keyword.keys(Operations.unary() ++ Operations.binary() ++ Operations.reductions()) ++
               [:random_uniform, :random_normal, :parameter]

  test "every operation of the table computes" do
    cases = Calls.all()
    assert Enum.sort(Map.keys(cases) ++ @elsewhere) == Enum.sort(Map.keys(V.operations()))

    for {name, {operands, options, expected}} <- cases do
      assert {name, Calls.answer(V.call!(name, operands, options)) == expected} == {name, true},
             "#{name}: #{inspect(Calls.answer(V.call!(name, operands, options)))}"
    end
  end

  test "every option of the table is given" do
    given = for {_, {_, options, _}} <- Calls.all(), {option, _} <- options, do: option
    options = for {_, row} <- V.operations(), {option, _} <- row.options, do: option
    random = ~w(seed offset low high mean deviation)a
    assert Enum.uniq(options) -- (given ++ random) == []
  end

  test "elementwise operations and reductions are those of their functions" do
    integers = V.tensor!([[5, 2], [3, 1]])

    for {name, _} <- Operations.unary(), do: same(name, [integers])

    for {name, _} <- Operations.binary(),
        operand <- [integers, 2],
        do: same(name, [integers, operand])

    for {name, _} <- Operations.reductions() do
      for options <- [[], [axes: [1], keep_axes: true]] do
        assert V.to_list(V.call!(name, [integers], options)) ==
                 V.to_list(apply(V, :"#{name}!", [integers, options]))
      end
    end

    half = V.tensor!([0.1], type: :f16)
    assert V.to_list!(V.call!(:equal, [half, 0.1])) == V.to_list!(V.equal!(half, 0.1))
  end

  defp same(name, operands) do
    assert {name, result(V.call(name, operands))} == {name, result(apply(V, name, operands))}
  end

  defp result({:ok, tensor}), do: {V.type(tensor), V.to_list(tensor)}
  defp result(error), do: error

  test "random numbers are those of their functions" do
    for name <- [:random_uniform, :random_normal], seed <- [1, 0xFFFFFFFFFFFFFFFF] do
      {:ok, expected} = apply(V, name, [{5}, seed, [offset: 3, type: :f64]])
      got = V.call!(name, [], shape: {5}, seed: seed, offset: 3, type: :f64)
      assert V.to_list(got) == V.to_list(expected)
    end

    uniform = V.call!(:random_uniform, [], shape: 3, seed: 1, low: 5, high: 6.0)
    assert Enum.all?(V.to_list!(uniform), &(&1 >= 5 and &1 < 6))
    normal = V.call!(:random_normal, [], shape: 3, seed: 1, mean: 100, deviation: 0.0)
    assert V.to_list!(normal) == [100.0, 100.0, 100.0]
  end

  test "what the op table has, callers reach" do
    inner =
      ~w(data argument bounded_index windows scatter_add last_update last_slot overwrite fold scan loop branch result)a

    ops = for {name, _, _} <- Native.ops(), do: name
    assert (ops -- Map.keys(V.operations())) -- inner == []
  end

  test "an unknown name or option says which there are" do
    for call <- [&V.call/3, &V.call!/3] do
      error = assert_raise ArgumentError, fn -> call.(:sorted, [], []) end
      assert error.message =~ "there is no operation :sorted; there are :abs,"
      assert error.message =~ ":sort,"

      t = V.tensor!([2, 1])
      error = assert_raise ArgumentError, fn -> call.(:sort, [t], axes: 0) end
      assert error.message == "sort: there is no option :axes; there are :axis, :descending"
      error = assert_raise ArgumentError, fn -> call.(:add, [t, t], axis: 0) end
      assert error.message == "add: there is no option :axis; there are none"
      assert_raise ArgumentError, fn -> call.(:sort, [t], device: 0) end
      assert_raise ArgumentError, fn -> call.(:sort, [t], :axis) end
    end
  end

  test "the library refuses them, too, and options of another kind" do
    %{ref: ref} = V.tensor!([2, 1])

    for {name, options, message} <- [
          {:sorted, [], "sorted: is not an operation of this library"},
          {:sort, [axes: 0], "sort: has no option 'axes'; it takes axis, descending"},
          {:add, [axis: 0], "add: has no option 'axis'; it takes none"},
          {:sum, [axes: [0.0]], "sum: option 'axes' takes integers, got reals"}
        ] do
      refs = if name == :add, do: [ref, ref], else: [ref]
      assert Native.call(name, refs, options) == {:error, :invalid_argument, message}
    end
  end

  test "values that have no meaning are answered" do
    t = V.tensor!([2, 1])

    for {name, operands, options} <- [
          {:sort, [t], [axis: 1]},
          {:sort, [t], [axis: 0.0]},
          {:sort, [t], [descending: 1]},
          {:sort, [t, t], []},
          {:sort, [], []},
          {:sort, t, []},
          {:sort, [:t], []},
          {:iota, [t], [shape: {2}]},
          {:iota, [], []},
          {:iota, [], [shape: :none]},
          {:cast, [t], [type: :f31]},
          {:all_close, [t, t], [atol: "1"]},
          {:constant, [], [value: {1, 2}, type: :f32]},
          {:constant, [], [value: 2 ** 64, type: :f32]}
        ] do
      assert {name, options, V.call(name, operands, options)} ==
               {name, options, {:error, :invalid_argument}}
    end

    assert_raise V.Error, ~r/sort: axis 1 is out of range for s32\{2\}/, fn ->
      V.call!(:sort, [t], axis: 1)
    end
  end
end
