Code.require_file("../../crossings.exs", __DIR__)

defmodule Nx.Vulkan.NativeTest do
  use ExUnit.Case

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Crossings, Native}

  test "each function of the library has its stub, and each stub its function" do
    helpers = [:load, :scheduler, :__info__, :module_info, :behaviour_info]

    stubs =
      for {name, arity} <- Native.__info__(:functions),
          name not in helpers,
          do: {name, arity, Native.scheduler(name)}

    assert Enum.sort(Native.functions()) == Enum.sort(stubs)
  end

  test "what is said to run on a dirty scheduler exists" do
    dirty = for {name, _, scheduler} <- Native.functions(), scheduler != :normal, do: name
    assert :engine_open in dirty and :explain in dirty
    assert Native.scheduler(:add) == :normal
  end

  @tag :device
  test "an operation crosses the NIF once" do
    a = V.tensor!([[1.0, 2.0], [3.0, 4.0]])
    i = V.tensor!([1, 0])

    for {name, fun} <- [
          unary: fn -> V.exp!(a) end,
          binary: fn -> V.add!(a, a) end,
          binary: fn -> V.add!(a, i) end,
          ternary: fn -> V.select!(i, a, a) end,
          cast: fn -> V.cast!(a, :f16) end,
          reshape: fn -> V.reshape!(a, {4}) end,
          reverse: fn -> V.reverse!(a) end,
          transpose: fn -> V.transpose!(a) end,
          concatenate: fn -> V.concatenate!([a, a]) end,
          pad: fn -> V.pad!(a, V.sum!(i), [{1, 1}, {0, 0}]) end,
          reduce: fn -> V.sum!(a) end,
          dot: fn -> V.dot!(a, a) end,
          matmul: fn -> V.matmul!(a, a) end,
          iota: fn -> V.iota!({3}) end,
          from_binary: fn -> V.tensor!([1, 2]) end,
          random_uniform: fn -> V.random_uniform!({3}, 1) end,
          call: fn -> V.call!(:sort, [a], axis: 1) end,
          call: fn -> V.call!(:svd, [a]) end,
          create: fn -> V.call!(:eye, [], shape: {2, 2}) end,
          read: fn -> V.to_list!(a) end,
          read: fn -> V.to_binary!(a) end,
          read: fn -> inspect(a) end
        ] do
      V.operations()
      expected = if name == :pad, do: [:reduce, :pad], else: [name]
      assert {name, Crossings.of(fun)} == {name, expected}
    end

    # A number is a tensor of its own.
    assert Crossings.of(fn -> V.add!(a, 1) end) == [:constant, :binary]
    assert Crossings.of(fn -> {V.shape(a), V.type(a)} end) == []
  end

  @tag :device
  test "long lists are read on dirty schedulers" do
    a = V.tensor!([1.0])
    {:ok, engine} = Nx.Vulkan.Device.engine()
    {:ok, {parameter, _, _, _}} = Native.parameter(engine, :f32, [1])
    {:ok, negated} = Native.function([parameter], [a.ref])
    ones = List.duplicate(1, 300_000)
    tensors = List.duplicate(a.ref, 100_000)
    :erlang.system_flag(:microstate_accounting, true)

    for {name, call} <- [
          reshape: fn -> Native.reshape(a.ref, ones) end,
          constant: fn -> Native.constant(engine, :f32, ones, 1) end,
          reduce: fn -> Native.reduce(:sum, a.ref, ones, false) end,
          concatenate: fn -> Native.concatenate(tensors, 0) end,
          call: fn -> Native.call(:concatenate, tensors, axis: 0) end,
          option: fn -> Native.call(:sum, [a.ref], axes: ones) end,
          options: fn -> Native.call(:sum, [a.ref], List.duplicate({:axes, 0}, 300_000)) end,
          evaluate_all: fn -> Native.evaluate_all(tensors) end,
          invoke: fn -> Native.invoke(negated, tensors) end
        ] do
      before = on_dirty_schedulers()
      {elapsed, _} = :timer.tc(call)
      assert {name, on_dirty_schedulers() - before > elapsed / 4} == {name, true}
    end
  after
    :erlang.system_flag(:microstate_accounting, false)
  end

  # Microseconds that they have worked.
  defp on_dirty_schedulers do
    for %{type: :dirty_cpu_scheduler, counters: counters} <-
          :erlang.statistics(:microstate_accounting),
        {state, time} <- counters,
        state != :sleep,
        reduce: 0 do
      sum -> sum + :erlang.convert_time_unit(time, :perf_counter, :microsecond)
    end
  end

  @tag :device
  test "a shape has at most 256 axes" do
    a = V.tensor!([1.0])
    assert V.shape(V.reshape!(a, List.duplicate(1, 256))) == Tuple.duplicate(1, 256)
    assert V.reshape(a, List.duplicate(1, 257)) == {:error, :invalid_argument}
    assert V.to_list!(V.squeeze!(V.exp!(V.broadcast!(0.0, List.duplicate(1, 256))))) == [1.0]
  end

  @tag :device
  test "names have bounds" do
    {:ok, engine} = Nx.Vulkan.Device.engine()
    long = String.duplicate("a", 100_000)
    assert {:error, :invalid_argument, _} = Native.profile_phase(engine, long)
    assert V.device(long) == {:error, :invalid_argument}
  end
end
