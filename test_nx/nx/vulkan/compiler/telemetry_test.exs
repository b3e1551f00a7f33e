Code.require_file("../../../../test/events.exs", __DIR__)

defmodule Nx.Vulkan.Compiler.TelemetryTest do
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  import Nx.Defn

  alias Nx.Vulkan.Events

  @moduletag :device

  setup do
    Events.attach()
    on_exit(&Events.detach/0)
  end

  defn plain(x) do
    Nx.sum(Nx.sin(x) * 3)
  end

  defn stepped(x) do
    {x, _} =
      while {x, i = 0}, i < 3 do
        {hook(x + 1, :round, &Function.identity/1), i + 1}
      end

    x
  end

  test "a program that is made is told of once" do
    jit = Nx.Defn.jit(&plain/1, compiler: Nx.Vulkan)
    x = Nx.iota({7}, type: :f32)
    for _ <- 1..3, do: jit.(x)
    assert_received {[:compilation, :program], %{duration: duration}, metadata}
    assert duration > 0
    assert %{name: name, parts: 1, device: _} = metadata
    assert name =~ "TelemetryTest.plain/1"
    refute_received {[:compilation, :program], _, _}
    refute_received {[:slow_path], _, _}
  end

  test "a definition has its own name when it is called by itself" do
    previous = Nx.Defn.global_default_options(compiler: Nx.Vulkan)
    plain(Nx.iota({11}, type: :f32))
    Nx.Defn.global_default_options(previous)
    assert_received {[:compilation, :program], _, %{name: name}}
    assert name == "Nx.Vulkan.Compiler.TelemetryTest.plain/1"
  end

  test "transfers of tensors of Nx" do
    t = Nx.tensor([1.0, 2.0], backend: Nx.Vulkan.Backend)
    assert_received {[:transfer], %{bytes: 8}, %{direction: :up}}
    assert Nx.to_binary(t) == <<1.0::float-32-native, 2.0::float-32-native>>
    assert_received {[:transfer], %{bytes: 8}, %{direction: :down}}
  end

  test "a loop that calls the host is a slow path, and warned of once" do
    run = fn size ->
      capture_log(fn ->
        result = Nx.Defn.jit(&stepped/1, compiler: Nx.Vulkan).(Nx.iota({size}))
        assert Nx.to_flat_list(result) == Enum.to_list(3..(size + 2))
      end)
    end

    assert run.(2) =~ ~r/TelemetryTest.stepped\/1: a loop calls functions of the host/
    assert_received {[:slow_path], _, %{reason: :host_loop, name: name}}
    assert name =~ "stepped/1"
    assert_received {[:compilation, :program], _, %{parts: parts}}
    assert parts > 1
    # Of other sizes: another program, no other warning.
    assert run.(3) == ""
    assert_received {[:slow_path], _, %{reason: :host_loop}}
  end

  test "the example adds up what happened" do
    Events.detach()
    Nx.Vulkan.Telemetry.detect()

    output =
      ExUnit.CaptureIO.capture_io(fn -> Code.require_file("examples/elixir/telemetry.exs") end)

    assert output =~ ~r/evaluation \(read\) +22 /
    assert output =~ ~r/fault \(arithmetic\) +1 /
    assert output =~ ~r/transfer \(down\) +21 .* 1048656/
  after
    :telemetry.detach("sums")
    Events.attach()
  end
end
