defmodule Stress.Programs do
  @moduledoc false
  # Functions with loops and branches, as compilers make them: many callers, callers that die.

  import Stress.Harness, only: [progress: 2]
  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Device, Native, Reader, Value}

  @size 64

  def all do
    [
      {"programs", "100 processes call 10 programs at once", &programs/1},
      {"calls", "processes killed at any moment of a call", &calls/1}
    ]
  end

  # ---- Sections ----

  defp programs(quick?) do
    seconds = if quick?, do: 2, else: 60
    programs = all_programs(@size)
    # Alone, each of them for some arguments; these stay alive.
    arguments = for k <- 1..8, do: argument(@size, k)
    right = for f <- programs, do: for(a <- arguments, do: call(f, a))
    table = List.to_tuple(Enum.zip(programs, Enum.map(right, &List.to_tuple/1)))
    compiled = V.counters!().kernels_compiled
    stop = System.monotonic_time(:millisecond) + 1000 * seconds

    counts =
      1..100
      |> Task.async_stream(fn p -> caller(table, p, stop, 0) end,
        max_concurrency: 100,
        timeout: :infinity,
        ordered: false
      )
      |> Enum.map(fn {:ok, count} -> count end)

    new = V.counters!().kernels_compiled - compiled
    if new > 0, do: raise("#{new} kernels were compiled for calls that had been made before")
    if Enum.min(counts) == 0, do: raise("a process made no call")

    "#{Enum.sum(counts)} right results of 10 programs, #{div(Enum.sum(counts), seconds)} calls a second"
  end

  defp caller(table, p, stop, i) do
    if System.monotonic_time(:millisecond) < stop do
      {f, right} = elem(table, rem(7 * p + i, tuple_size(table)))
      k = rem(p + 3 * i, 8)
      got = call(f, argument(@size, k + 1))

      unless got == elem(right, k),
        do: raise("process #{p}, call #{i}: another result than alone")

      caller(table, p, stop, i + 1)
    else
      i
    end
  end

  defp calls(quick?) do
    count = if quick?, do: 200, else: 2000
    size = 65_536
    programs = List.to_tuple(all_programs(size))
    for f <- Tuple.to_list(programs), do: call(f, argument(size, 1))
    :rand.seed(:exsss, 1)

    for i <- 1..count do
      progress(i, count)
      {pid, monitor} = spawn_monitor(fn -> endless(programs, size, i) end)
      # From before the first call to after several.
      for _ <- 1..:rand.uniform(2000), do: :erlang.yield()
      if rem(i, 3) == 0, do: Process.sleep(:rand.uniform(10))
      Process.exit(pid, :kill)

      receive do
        {:DOWN, ^monitor, _, _, :killed} -> :ok
        {:DOWN, ^monitor, _, _, reason} -> raise "a process died by itself: #{inspect(reason)}"
      end
    end

    expected = for f <- Tuple.to_list(programs), do: call(f, argument(size, 2))
    again = for f <- Tuple.to_list(programs), do: call(f, argument(size, 2))
    unless expected == again, do: raise("results differ afterwards")
    "#{count} processes killed, and the programs still run"
  end

  # Some calls are read, others are dropped while they run.
  defp endless(programs, size, i) do
    f = elem(programs, rem(i, tuple_size(programs)))
    argument = argument(size, rem(i, 8) + 1)
    if rem(i, 2) == 0, do: call(f, argument), else: invoke(f, argument)
    endless(programs, size, i + 1)
  end

  # ---- Programs of a vector ----

  defp all_programs(size) do
    [
      define(size, fn x -> [V.sin!(x), V.sum!(V.multiply!(x, x))] end),
      define(size, fn x -> loop([V.tensor!(0), x], fn [i, _] -> V.less!(i, 5) end, &step/1) end),
      # As long as the device says.
      define(size, fn x ->
        loop([x], fn [x] -> V.less!(V.sum!(V.abs!(x)), 1.0e4) end, fn [x] ->
          [V.multiply!(x, 1.5)]
        end)
      end),
      define(size, fn x -> choose(V.greater!(V.sum!(x), 0.0), x, &V.negate!/1, &V.exp!/1) end),
      define(size, fn x ->
        loop([V.tensor!(0), x], fn [i, _] -> V.less!(i, 3) end, fn [i, x] ->
          [
            V.add!(i, 1)
            | choose(V.greater!(V.sum!(x), 1.0), x, &V.multiply!(&1, 0.5), &V.add!(&1, 0.5))
          ]
        end)
      end),
      define(size, fn x ->
        loop([V.tensor!(0), x], fn [i, _] -> V.less!(i, 2) end, fn [i, x] ->
          [_, y] = loop([i, x], fn [j, _] -> V.less!(j, 3) end, &step/1)
          [V.add!(i, 1), y]
        end)
      end),
      define(size, fn x ->
        square = V.reshape!(V.slice!(x, [0], [64]), {8, 8})
        [V.matmul!(square, square)]
      end),
      define(size, fn x -> [V.multiply!(x, V.iota!({size}, type: :f32)), x, x] end),
      define(size, fn x -> [V.call!(:cumulative_sum, [x]), V.call!(:sort, [x])] end),
      define(size, fn x ->
        loop([V.tensor!(0), x], fn [i, _] -> V.less!(i, 4) end, fn [i, x] ->
          [V.add!(i, 1), V.call!(:put_slice, [x, V.reshape!(V.sum!(x), {1}), i])]
        end)
      end)
    ]
  end

  defp step([i, x]), do: [V.add!(i, 1), V.subtract!(V.multiply!(x, 1.25), 0.5)]

  defp define(size, fun), do: function([{:f32, [size]}], fn [x] -> fun.(x) end)

  defp function(likes, fun) do
    {:ok, engine} = Device.engine()

    parameters =
      for {type, shape} <- likes, do: made(fn -> Native.parameter(engine, type, shape) end)

    results = fun.(parameters)
    made(fn -> Native.function(refs(parameters), refs(results)) end)
  end

  defp loop(state, condition, body) do
    likes = Enum.map(state, &like/1)
    condition = function(likes, &[condition.(&1)])
    body = function(likes, body)
    made(fn -> Native.while(refs(state), condition, body) end)
  end

  defp choose(predicate, x, yes, no) do
    functions = for f <- [yes, no], do: function([like(x)], fn [x] -> [f.(x)] end)
    made(fn -> Native.cond([predicate.ref], functions, [x.ref]) end)
  end

  defp like(t), do: {t.type, Tuple.to_list(t.shape)}
  defp refs(tensors), do: Enum.map(tensors, & &1.ref)

  # ---- Calls ----

  defp argument(size, k),
    do:
      V.full!({size}, 0.25, type: :f32)
      |> V.multiply!(V.add!(V.remainder!(V.iota!({size}), 7), k - 4))

  defp invoke(function, argument), do: made(fn -> Native.invoke(function, [argument.ref]) end)

  defp call(function, argument) do
    for ref <- invoke(function, argument) do
      {:ok, bytes} = Reader.read(%{argument | ref: ref})
      bytes
    end
  end

  # Where memory is short, once more when others have let go of theirs.
  defp made(constructor, tries \\ 100) do
    case Value.make(constructor) do
      {:ok, value} ->
        value

      {:error, :alloc_failed} when tries > 0 ->
        Process.sleep(10)
        made(constructor, tries - 1)
    end
  end
end
