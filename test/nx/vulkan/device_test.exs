defmodule Nx.Vulkan.DeviceTest do
  # Closes devices that other tests use.
  use ExUnit.Case, async: false
  @moduletag :device

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Device, Native}

  # Every test starts with the default device open and the other one closed.
  setup do
    default = V.device!().index
    other = Enum.find(V.devices!(), &(&1.supported? and &1.index != default))
    if other, do: :ok = V.close(other.index)

    on_exit(fn ->
      if other, do: :ok = V.close(other.index)
      :ok = V.close()
      :ok = V.init()
    end)

    %{default: default, other: other && other.index}
  end

  defp index(tensor), do: V.device!(tensor).index

  test "a device is named by index, name and kind", %{default: default} do
    for device <- V.devices!(), device.supported? do
      assert V.device!(device.index) == device
      assert V.device_name!(device.name) == device.name
      # Of several of that name it is always the same, the first of them.
      assert V.device!(device.name) == V.device!(String.upcase(device.name))
      if device.cpu?, do: assert(V.device!(:cpu).cpu?)
    end

    assert {:ok, engine} = Device.engine(device: default)
    assert {:ok, ^engine} = Device.engine()
    assert V.device(1_000) == {:error, :no_device}
    assert V.device("no such device") == {:error, :no_device}

    for wrong <- [-1, 1.5, "", "a\0b", :gpu],
        do: assert(V.device(wrong) == {:error, :invalid_argument})
  end

  test "the default device is opened once, however many ask at once" do
    :ok = V.close()
    index = V.device!().index
    :ok = V.close()

    1..50
    |> Enum.map(fn i ->
      Task.async(fn -> Device.engine(device: if(rem(i, 2) == 0, do: index)) end)
    end)
    |> Task.await_many(:infinity)
    |> Enum.uniq()
    |> then(&assert match?([{:ok, _}], &1))
  end

  test "engines outlive the process that opened them" do
    kept = V.tensor!([1.0, 2.0])
    {:ok, engine} = Device.engine()
    dying = Process.whereis(Device)
    monitor = Process.monitor(dying)
    Process.exit(dying, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^dying, :killed}
    engines = Enum.find_value(1..500, fn _ -> engines_if_there() end)
    assert engine in engines
    assert {:ok, ^engine} = Device.engine(device: V.device!().index)
    assert V.to_list!(V.add!(kept, 1)) == [2.0, 3.0]

    :ok = V.close()
    refute engine in Device.engines()
    assert V.to_list(kept) == {:error, :device_lost}
    assert {:ok, other} = Device.engine()
    assert other != engine
  end

  # Nil while the next process is not there yet.
  defp engines_if_there do
    Device.engines()
  rescue
    RuntimeError -> Process.sleep(2) && nil
  end

  # Kills the process once `inside?` holds while it answers `request`; answers the engines of the next one.
  defp kill_inside(request, inside?) do
    pid = Process.whereis(Device)
    monitor = Process.monitor(pid)
    # Who asks dies with it.
    spawn(fn -> request.() end)
    Stream.repeatedly(fn -> inside?.(pid) end) |> Enum.find(& &1)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}, 60_000
    Enum.find_value(1..500, fn _ -> engines_if_there() end)
  end

  defp calls?(pid, function),
    do: match?({:current_function, {Native, ^function, _}}, Process.info(pid, :current_function))

  test "an engine that was being closed is closed by the next process" do
    kept = V.tensor!([1.0])
    # The call waits for a scheduler, or for the device.
    matrix = V.iota!({1024, 1024}, type: :f32)
    :ok = Native.evaluate(V.matmul!(matrix, V.matmul!(matrix, matrix)).ref)
    assert kill_inside(&V.close/0, &calls?(&1, :engine_close)) == []
    assert V.add(kept, 1) == {:error, :device_lost}
    assert V.to_list!(V.add!(V.tensor!([1.0]), 1)) == [2.0]
  end

  if :os.type() == {:unix, :linux} do
    # An engine has threads.
    defp threads, do: length(File.ls!("/proc/self/task"))

    test "an engine that was being opened is closed when nobody takes it" do
      :ok = V.close()
      before = threads()
      assert kill_inside(&V.init/0, fn _ -> threads() > before end) == []
      assert Enum.any?(1..1_000, fn _ -> threads() <= before or Process.sleep(5) != :ok end)
    end
  end

  @tag :two_devices
  test "tensors live on the device they were made on", %{default: default, other: other} do
    for make <- [
          &V.tensor!([1, 2], &1),
          &V.from_binary!(<<1, 2>>, {2}, :u8, &1),
          &V.full!({2}, 1.5, &1),
          &V.iota!({2}, &1),
          &V.eye!(2, &1),
          &V.random_uniform!({2}, 7, &1),
          &V.random_normal!({2}, 7, &1)
        ] do
      {here, there} = {make.([]), make.(device: other)}
      assert {index(here), index(there)} == {default, other}
      assert index(V.exp!(there)) == other
      assert V.to_list!(here) == V.to_list!(there) or V.type(here) == :f32
    end
  end

  @tag :two_devices
  test "numbers go to the device of the tensor beside them", %{other: other} do
    t = V.tensor!([1, 2, 3], device: other)

    for {got, expected} <- [
          {V.add!(t, 1), [2, 3, 4]},
          {V.subtract!(1, t), [0, -1, -2]},
          {V.less!(t, 2.5), [1, 1, 0]},
          {V.select!(t, 5, 6), [5, 5, 5]},
          {V.select!(0, t, 6), [6, 6, 6]},
          {V.clip!(t, 2, 2), [2, 2, 2]},
          {V.pad!(t, 9, [{1, 0, 0}]), [9, 1, 2, 3]}
        ] do
      assert V.to_list!(got) == expected
      assert index(got) == other
    end
  end

  @tag :two_devices
  test "tensors of two devices do not mix", %{default: default, other: other} do
    a = V.tensor!([1, 2])
    b = V.tensor!([1, 2], device: other)

    for mix <- [
          &V.add/2,
          &V.matmul/2,
          &V.dot/2,
          &V.select(&1, &2, 0),
          &V.pad(&1, V.sum!(&2), [{1, 1, 0}]),
          &V.concatenate([&1, &2])
        ] do
      assert mix.(a, b) == {:error, :invalid_argument}
      assert mix.(b, a) == {:error, :invalid_argument}
    end

    {:error, :invalid_argument, message} = Native.call(:take, [a.ref, b.ref], axis: 0)

    for device <- [default, other],
        do: assert(message =~ "#{device} (#{V.device_name!(device)})")

    assert message =~ "Nx.backend_transfer/2"
  end

  @tag :two_devices
  test "another device is opened once, however many ask at once", %{other: other} do
    1..50
    |> Enum.map(fn i -> Task.async(fn -> V.tensor!([i], device: other) end) end)
    |> Task.await_many(:infinity)
    |> Enum.reduce(fn a, b -> assert(a.engine == b.engine) && a end)
  end

  @tag :two_devices
  test "each has its memory budget", %{other: other} do
    budget = 64 * 1024 * 1024
    here = V.memory_stats!()
    assert {:ok, engine} = Device.engine(device: other, memory_budget: budget)
    assert {:ok, ^engine} = Device.engine(device: other)
    assert {:ok, ^engine} = Device.engine(device: other, memory_budget: budget)
    assert {:error, error} = Device.engine(device: other, memory_budget: budget + 1)
    assert error.message =~ "device #{other} is open already with a memory_budget: of #{budget}"
    assert V.memory_stats!(other).budget == budget
    assert V.memory_stats!().budget == here.budget

    # Garbage of 1 MB each is collected for the device that runs short of memory.
    for i <- 1..200 do
      V.iota!({262_144}, type: :f32, device: other) |> V.add!(i) |> V.eval!()
    end

    assert V.memory_stats!(other).peak <= budget
    assert V.memory_stats!().peak == here.peak

    # What is held raises, on that device alone.
    result =
      Enum.reduce_while(1..100, [], fn i, held ->
        case V.iota({262_144}, type: :f32, device: other) |> elem(1) |> V.add!(i) |> V.eval() do
          {:ok, t} -> {:cont, [t | held]}
          error -> {:halt, error}
        end
      end)

    assert result == {:error, :alloc_failed}
    assert V.to_list!(V.add!(V.tensor!([1]), 1)) == [2]
    assert V.to_list!(V.add!(V.tensor!([1], device: other), 1)) == [2]
  end

  @tag :two_devices
  test "closing one loses its tensors alone", %{other: other} do
    here = V.tensor!([1, 2])
    there = V.tensor!([3, 4], device: other)
    pending = V.multiply!(there, 2)
    :ok = V.close(other)

    assert V.to_list(there) == {:error, :device_lost}
    assert V.to_list(pending) == {:error, :device_lost}
    assert V.add(there, 1) == {:error, :device_lost}
    assert V.to_list!(V.add!(here, 1)) == [2, 3]

    again = V.tensor!([5, 6], device: other)
    assert V.to_list!(again) == [5, 6]
    assert V.add(there, again) == {:error, :device_lost}
    assert V.add(here, there) == {:error, :device_lost}
    assert V.to_list(there) == {:error, :device_lost}
  end

  @tag :two_devices
  test "init/1 chooses the default device", %{default: default, other: other} do
    there = V.tensor!([1], device: other)
    assert V.init(device: other) == {:error, :invalid_argument}
    assert V.init(device: default) == :ok
    :ok = V.close()
    assert V.init(device: other) == :ok
    assert index(V.tensor!([1])) == other
    assert V.to_list!(V.add!(V.tensor!([1]), there)) == [2]
    assert index(V.tensor!([1], device: default)) == default
    assert V.init() == :ok
    assert V.device!().index == other
    :ok = V.close()
    assert V.device!().index == default
  end
end
