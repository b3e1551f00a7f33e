defmodule Nx.Vulkan.ForeignTensorTest do
  # A tensor that was written down in another VM: what a restart makes of every tensor.
  use ExUnit.Case, async: true
  @moduletag :device

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Operations, Tensor}

  @text ~r/made in another VM.*Nx.Vulkan.to_binary\/1/

  setup_all do
    expression = """
    {:ok, _} = Application.ensure_all_started(:nx_vulkan)
    [1.0, 2.0] |> Nx.Vulkan.tensor!() |> :erlang.term_to_binary() |> Base.encode64() |> IO.write()
    """

    # With what the application depends on.
    paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
    {text, 0} = System.cmd("elixir", paths ++ ["-e", expression])
    %{there: text |> Base.decode64!() |> :erlang.binary_to_term()}
  end

  # Every function of a tensor, as the first operand and as another one.
  defp uses(t) do
    here = V.tensor!([1.0, 2.0])

    others = [
      &V.to_list/1,
      &V.to_number(%{&1 | shape: {}}),
      &V.to_binary/1,
      &V.eval/1,
      &V.deallocate/1,
      &V.explain/1,
      &V.device/1,
      &V.device_name/1,
      &V.memory_stats/1,
      &V.counters/1,
      &V.trim/1,
      &V.describe/1,
      &V.select(&1, here, here),
      &V.select(here, &1, 0),
      &V.clip(&1, 0, 1),
      &V.clip(here, &1, 1),
      &V.cast(&1, :s32),
      &V.reshape(&1, {1, 2}),
      &V.broadcast(&1, {3, 2}),
      &V.transpose/1,
      &V.slice(&1, [0], [1]),
      &V.reverse/1,
      &V.squeeze/1,
      &V.pad(&1, 0, [{1, 1}]),
      &V.pad(here, &1, [{1, 1}]),
      &V.concatenate([here, &1]),
      &V.concatenate([&1, here]),
      &V.matmul(&1, here),
      &V.dot(here, &1),
      &V.call(:sort, [&1]),
      &V.call(:all_close, [here, &1])
    ]

    for(fun <- others, do: {inspect(fun), fn -> fun.(t) end}) ++
      for({name, _} <- Operations.unary(), do: {name, fn -> apply(V, name, [t]) end}) ++
      for({name, _} <- Operations.reductions(), do: {name, fn -> apply(V, name, [t]) end}) ++
      for {name, _} <- Operations.binary(), operands <- [[t, here], [here, t], [t, 1]] do
        {name, fn -> apply(V, name, operands) end}
      end
  end

  test "every function says what is wrong", %{there: there} do
    for {name, use} <- uses(there) do
      error =
        try do
          flunk("#{name} answered #{inspect(use.())}")
        rescue
          error in ArgumentError -> error
        end

      assert error.message =~ @text, "#{name}: #{error.message}"
    end

    assert_raise ArgumentError, @text, fn -> V.add!(there, 1) end
    assert_raise ArgumentError, @text, fn -> V.to_list!(there) end
  end

  test "it still knows its type and shape", %{there: there} do
    assert {V.type(there), V.shape(there)} == {:f32, {2}}
  end

  test "it can be inspected", %{there: there} do
    assert inspect(there) =~ "#Nx.Vulkan.Tensor<\n  unavailable: the tensor was made"
  end

  test "a copy within this VM is the tensor" do
    t = V.tensor!([1.0, 2.0])
    assert %Tensor{} = copy = t |> :erlang.term_to_binary() |> :erlang.binary_to_term()
    assert copy == t
    assert V.to_list!(copy) == [1.0, 2.0]
  end
end
