Code.require_file("../../events.exs", __DIR__)

defmodule Nx.Vulkan.TelemetryTest do
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Device, Events, Once, SlowPath, Telemetry}

  setup do
    Events.attach()
    on_exit(&Events.detach/0)
  end

  test "the documentation names every event" do
    {:docs_v1, _, _, _, %{"en" => text}, _, _} = Code.fetch_docs(Telemetry)
    for event <- Events.all(), do: assert(text =~ "`#{inspect([:nx_vulkan | event])}`")
    named = Regex.scan(~r/`(\[:nx_vulkan[^\]]*\])`/, text, capture: :all_but_first)
    assert length(Enum.uniq(named)) == length(Events.all())
  end

  @tag :device
  test "tells of transfers and of waiting" do
    index = V.device!().index
    a = V.tensor!([1.0, 2.0, 3.0])
    assert_received {[:transfer], %{bytes: 12, duration: up}, %{device: ^index, direction: :up}}
    sum = V.add!(a, a)
    refute_received {[:evaluation], _, _}
    V.to_list!(sum)
    assert_received {[:evaluation], %{duration: waited}, metadata}
    assert metadata == %{device: index, operation: :read, result: :ok}
    assert_received {[:transfer], %{bytes: 12}, %{device: ^index, direction: :down}}
    assert up > 0 and waited > 0

    V.eval!(V.multiply!(sum, 2))
    assert_received {[:evaluation], %{duration: _}, %{operation: :eval, result: :ok}}
    refute_received {[:transfer], _, %{direction: :down}}
  end

  @tag :device
  test "tells of kernels that were compiled, each once" do
    Telemetry.measure()
    assert_received {[:device, :statistics], before, %{device: index}}
    assert before.budget > 0 and before.in_use >= 0
    flush()
    # No other test has this structure.
    x = V.random_normal!({3, 5}, 11)
    V.to_list!(Enum.reduce(1..9, x, &V.add!(V.tanh!(V.multiply!(&2, x)), &1 * 0.125)))
    Telemetry.measure()
    told = for {[:compilation, :kernels], m, %{device: ^index}} <- flush(), do: m
    now = V.counters!(index)

    assert Enum.sum(Enum.map(told, & &1.kernels)) ==
             now.kernels_compiled - before.kernels_compiled

    assert Enum.sum(Enum.map(told, & &1.kernels)) > 0
    hits = now.module_cache_hits - before.module_cache_hits
    assert Enum.sum(Enum.map(told, & &1.module_cache_hits)) == hits
    assert Enum.all?(told, &(&1.duration >= 0))
    Telemetry.measure()
    refute_received {[:compilation, :kernels], _, _}
  end

  @tag :device
  test "tells of faults" do
    assert V.to_list(V.quotient!(V.tensor!([1, 2]), V.tensor!([1, 0]))) == {:error, :arithmetic}
    assert_received {[:evaluation], _, %{result: :arithmetic}}
    assert_received {[:fault], %{count: 1}, %{reason: :arithmetic, message: message}}
    assert message =~ "zero"
  end

  @tag :device
  test "tells of devices that open and close, and not that one is lost which was closed" do
    index = V.device!().index
    t = V.tensor!([1.0])
    :ok = V.close()
    assert_received {[:device, :close], %{duration: _}, %{device: ^index}}
    assert V.to_list(t) == {:error, :device_lost}
    assert_received {[:evaluation], _, %{result: :device_lost, device: ^index}}
    refute_received {[:device, :lost], _, _}
    :ok = V.init()
    assert_received {[:device, :open], %{duration: opening}, %{device: ^index}}
    assert opening > 0
  end

  @tag :device
  test "tells once that a device is lost" do
    {:ok, engine} = Device.engine()

    lost = fn ->
      Nx.Vulkan.Error.new(:device_lost, "gone")
    end

    for _ <- 1..2, do: Telemetry.evaluation(:eval, engine, lost)
    assert_received {[:device, :lost], %{count: 1}, %{message: "gone"}}
    refute_received {[:device, :lost], _, _}
  after
    with {:ok, engine} <- Device.engine(), do: Once.forget(engine)
  end

  @tag :device
  test "tells of memory that runs short" do
    :ok = V.close()
    :ok = V.init(memory_budget: 32 * 1024 * 1024)
    megabyte = fn -> V.eval(V.add!(V.iota!({262_144}, type: :f32), 0.5)) end
    for _ <- 1..200, do: megabyte.()
    assert_received {[:memory, :pressure], %{in_use: _, budget: 33_554_432}, %{collection: _}}
    held = Stream.repeatedly(megabyte) |> Enum.take_while(&match?({:ok, _}, &1))
    assert length(held) > 10
    assert_received {[:memory, :exhausted], %{in_use: _}, %{result: :alloc_failed}}
  after
    :ok = V.close()
    :ok = V.init()
  end

  @tag :device
  test "costs a caller less than a microsecond, and nothing without listeners" do
    {:ok, engine} = Device.engine()
    Events.detach()
    :persistent_term.put({Telemetry, :on}, function_exported?(:telemetry, :attach_many, 4))
    run = fn fun -> for _ <- 1..20_000, do: fun.() end
    bare = fn -> {:ok, "1234"} end
    told = fn -> Telemetry.evaluation(:read, engine, bare) end
    fastest = fn fun -> Enum.min(for _ <- 1..7, do: elem(:timer.tc(fn -> run.(fun) end), 0)) end
    nanoseconds = (fastest.(told) - fastest.(bare)) / 20
    # Two events; the bound leaves a debugged VM and a busy machine room.
    assert nanoseconds < 5_000
    if System.get_env("NXV_SHOW"), do: IO.puts("an evaluation's events: #{nanoseconds} ns")
  end

  @tag :device
  test "knows how fast f64 is, and says once where it is slow" do
    {:ok, engine} = Device.engine()
    rate = SlowPath.f64_rate(engine)
    if V.describe!() =~ ~r/\n  f64 +yes/, do: assert(rate > 0 and rate < 4)
    V.tensor([1.0, 2.0], type: :f64)
    refute Once.first?(:f64, engine)

    assert SlowPath.f64_warning(3, 1 / 64) =~
             "device 3 computes f64 at a 64th of the speed of f32"
  end

  @tag :device
  test "warns once of a definition and tells of it each time" do
    {:ok, engine} = Device.engine()

    warn = fn ->
      capture_log(fn -> SlowPath.host_loop(engine, "TelemetryTest.once/1") end)
    end

    assert warn.() =~ "TelemetryTest.once/1: a loop calls functions of the host"
    assert warn.() == ""
    for _ <- 1..2, do: assert_received({[:slow_path], %{count: 1}, %{reason: :host_loop}})
  end

  @tag :device
  test "memory of all devices that are open" do
    index = V.device!().index
    keep = V.eval!(V.add!(V.iota!({1000}, type: :f32), 0.5))
    assert %{^index => %{in_use: in_use, budget: budget}} = V.memory_stats!(:all)
    assert in_use >= 4000 and budget > in_use
    assert V.shape(keep) == {1000}
    :ok = V.close()
    refute Map.has_key?(V.memory_stats!(:all), index)
    :ok = V.init()
  end

  defp flush do
    receive do
      event -> [event | flush()]
    after
      0 -> []
    end
  end
end
