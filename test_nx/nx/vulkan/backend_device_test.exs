defmodule Nx.Vulkan.BackendDeviceTest do
  # Closes devices that other tests use. The default backend is Nx.Vulkan.Backend on the default device.
  use ExUnit.Case, async: false
  @moduletag :two_devices

  alias Nx.Vulkan.{Backend, Device, Native}
  alias Nx.Vulkan.Backend.Storage

  setup do
    default = Nx.Vulkan.device!().index
    other = Enum.find(Nx.Vulkan.devices!(), &(&1.supported? and &1.index != default)).index
    :ok = Nx.Vulkan.close(other)
    on_exit(fn -> :ok = Nx.Vulkan.close(other) end)
    %{default: default, other: other}
  end

  defp index(%Nx.Tensor{data: %Backend{ref: ref}}), do: Native.device(ref)
  defp host(value, opts \\ []), do: Nx.tensor(value, [backend: Nx.BinaryBackend] ++ opts)

  defp on(value, device, opts \\ []),
    do: Nx.tensor(value, [backend: {Backend, device: device}] ++ opts)

  test "tensors are made on the device of the options", %{default: default, other: other} do
    for make <- [
          &Nx.tensor([1, 2], &1),
          &Nx.tensor(3, &1),
          &Nx.iota({3}, &1),
          &Nx.eye(2, &1),
          &Nx.from_binary(<<1, 2>>, {:u, 8}, &1),
          &Nx.Constants.pi({:f, 32}, &1)
        ] do
      there = make.(backend: {Backend, device: other})
      assert {index(make.([])), index(there)} == {default, other}
      assert index(Nx.exp(there)) == other
    end

    Nx.with_default_backend({Backend, device: other}, fn ->
      {normal, _} = Nx.Random.normal(Nx.Random.key(1), shape: {4})
      assert index(normal) == other
      assert index(Nx.tril(Nx.iota({3, 3}))) == other
    end)
  end

  test "a device is opened once, however many ask at once", %{other: other} do
    1..50
    |> Enum.map(fn i -> Task.async(fn -> on([i], other) end) end)
    |> Task.await_many(:infinity)
    |> Enum.reduce(fn a, b -> assert(a.data.engine == b.data.engine) && a end)
  end

  test "a memory budget is that of the first opening", %{other: other} do
    budget = 64 * 1024 * 1024
    options = [device: other, memory_budget: budget]
    t = Nx.tensor([1, 2], backend: {Backend, options})
    assert Nx.Vulkan.memory_stats!(other).budget == budget
    assert Nx.to_flat_list(Nx.add(t, on([1, 1], other))) == [2, 3]

    assert_raise Nx.Vulkan.Error, ~r/device #{other} is open already with a memory_budget/, fn ->
      Nx.tensor(1, backend: {Backend, device: other, memory_budget: budget + 1})
    end
  end

  # Every callback that takes several tensors: the first is on the other device, the rest are numbers
  # and tensors of the host.
  test "numbers and operands of Nx.BinaryBackend follow the others", %{other: other} do
    cases = [
      {&Nx.add(&1, 1), [1.0, 2.0]},
      {&Nx.subtract(1.5, &1), [1.0, 2.0]},
      {&Nx.add(host([3.0, 4.0]), &1), [1.0, 2.0]},
      {&Nx.less(&1, 1.5), [1.0, 2.0]},
      {&Nx.logical_and(&1, 1), [1.0, 0.0]},
      {&Nx.atan2(&1, 2), [1.0, 2.0]},
      {&Nx.remainder(&1, 2), [3, 4]},
      {&Nx.left_shift(&1, 2), [3, 4]},
      {&Nx.select(&1, 5, host([6, 7])), [0, 1]},
      {&Nx.select(host([1, 0]), &1, 9), [1, 2]},
      {&Nx.clip(&1, 1, host(2)), [0, 5]},
      {&Nx.pad(&1, 7, [{1, 1, 0}]), [0, 5]},
      {&Nx.pad(&1, host(7), [{1, 1, 0}]), [0, 5]},
      {&Nx.slice(&1, [host(1)], [2]), [1, 2, 3]},
      {&Nx.slice(&1, [Nx.argmin(&1)], [2]), [3, 1, 2]},
      {&Nx.put_slice(&1, [1], host([8])), [1, 2, 3]},
      {&Nx.put_slice(&1, [host(2)], host([8])), [1, 2, 3]},
      {&Nx.concatenate([&1, host([1])]), [1, 2]},
      {&Nx.stack([host([1, 4]), &1]), [1, 2]},
      {&Nx.gather(&1, host([[1], [0]])), [1, 2]},
      {&Nx.indexed_add(&1, host([[1], [1]]), host([5, 6])), [1, 2]},
      {&Nx.indexed_put(&1, host([[1]]), host([5])), [1, 2]},
      {&Nx.take(&1, host([1, 1, 0])), [1, 2]},
      {&Nx.take_along_axis(&1, host([1, 0])), [1, 2]},
      {&Nx.dot(&1, host([3, 4])), [1, 2]},
      {&Nx.dot(host([[3, 4]]), &1), [1, 2]},
      {&Nx.conv(&1, host([[[1.0, 2.0]]])), [[[1.0, 2.0, 3.0]]]},
      {&Nx.reduce(&1, 1, fn x, y -> Nx.add(Nx.multiply(x, 2), y) end), [1, 2, 3]},
      {&Nx.window_reduce(&1, 0, {2}, fn x, y -> Nx.max(x, Nx.add(y, 1)) end), [1, 2, 3]},
      {&Nx.window_scatter_max(&1, host([5, 6]), 1, {2}, strides: [2]), [1, 2, 4, 3]},
      {&Nx.product/1, [Complex.new(1, 2), Complex.new(0, 1)]},
      {&Nx.LinAlg.triangular_solve(&1, host([1.0, 2.0])), [[1.0, 0.0], [1.0, 2.0]]},
      {&Nx.LinAlg.solve(&1, host([1.0, 2.0])), [[1.0, 0.0], [1.0, 2.0]]},
      {&Nx.all_close(&1, host([1.0, 2.0])), [1.0, 2.0]},
      {&Nx.mean/1, [1, 2]},
      {&Nx.variance/1, [1.0, 2.0]},
      {&Nx.cumulative_sum/1, [1, 2]},
      {&Nx.LinAlg.norm/1, [3.0, 4.0]},
      {&Nx.LinAlg.matrix_power(&1, 3), [[1.0, 1.0], [0.0, 1.0]]},
      {&Nx.phase/1, [Complex.new(1, 2)]}
    ]

    for {{fun, data}, i} <- Enum.with_index(cases) do
      got = fun.(on(data, other))
      assert index(got) == other, "case #{i}"

      # The same on the default device.
      assert Nx.to_binary(got) == Nx.to_binary(fun.(Nx.tensor(data))), "case #{i}"
    end
  end

  test "of numbers alone, one that was put on a device decides", %{default: default, other: other} do
    five = on(5, other)

    for {t, value} <- [{Nx.subtract(1, five), -4}, {Nx.subtract(five, 1), 4}] do
      assert {index(t), Nx.to_number(t)} == {other, value}
    end

    assert index(Nx.add(1, 2)) == default
    assert index(Nx.add(five, on([1], default))) == default

    Nx.with_default_backend({Backend, device: other}, fn ->
      assert index(Nx.add(1, on(5, default))) == default
    end)
  end

  test "tensors of two devices do not mix", %{default: default, other: other} do
    a = Nx.tensor([[1.0, 2.0]])
    b = on([[1.0, 2.0]], other)

    for fun <- [
          &Nx.add/2,
          &Nx.dot(&1, [1], &2, [1]),
          &Nx.concatenate([&1, &2]),
          &Nx.select(&1, 1, &2)
        ],
        {a, b} <- [{a, b}, {b, a}] do
      error = assert_raise ArgumentError, fn -> fun.(a, b) end

      for device <- [default, other],
          do: assert(error.message =~ "#{device} (#{Nx.Vulkan.device_name!(device)})")

      assert error.message =~ "Nx.backend_transfer/2 or Nx.backend_copy/2"
    end
  end

  test "copies and transfers move between devices", %{default: default, other: other} do
    t = Nx.tensor([[1, -2], [3, 4]], type: :s4, names: [:x, nil])
    there = Nx.backend_copy(t, {Backend, device: other})
    assert {index(t), index(there)} == {default, other}
    assert there.names == [:x, nil]
    assert Nx.to_binary(there) == Nx.to_binary(t)

    same = Nx.backend_transfer(there, {Backend, device: other})
    assert same.data.ref == there.data.ref
    copy = Nx.backend_copy(there, {Backend, device: other})
    assert copy.data.ref != there.data.ref

    back = Nx.backend_transfer(there, {Backend, device: default})
    assert index(back) == default
    assert Nx.to_binary(back) == Nx.to_binary(t)
    assert_raise Nx.Vulkan.Error, ~r/deallocated/, fn -> Nx.to_binary(there) end
    assert Nx.backend_deallocate(there) == :already_deallocated

    # Without a device: the default one.
    assert index(Nx.backend_transfer(copy, Backend)) == default
  end

  test "losing one device leaves the others alone", %{other: other} do
    {here, there} = {Nx.tensor([1, 2]), on([1, 2], other)}
    :ok = Nx.Vulkan.close(other)
    assert_raise Nx.Vulkan.Error, ~r/device_lost/, fn -> Nx.to_binary(Nx.add(there, 1)) end
    assert Nx.to_flat_list(Nx.add(here, 1)) == [2, 3]
    assert Nx.to_flat_list(Nx.add(on([1, 2], other), 1)) == [2, 3]
    assert_raise Nx.Vulkan.Error, ~r/device_lost/, fn -> Nx.to_binary(Nx.add(there, 1)) end
  end

  test "an inspected tensor shows its own device", %{default: default, other: other} do
    for device <- [default, other] do
      assert Storage.signature(on([1], device)) =~
               ~r/^Nx.Vulkan.Backend<#{Regex.escape(Nx.Vulkan.device_name!(device))}:#{device}, 0\.\d+\./
    end
  end

  describe "the compiler" do
    test "runs on the device that it is told", %{default: default, other: other} do
      fun = fn a, b -> Nx.add(Nx.multiply(a, Nx.iota({2})), b) end
      jit = Nx.Defn.jit(fun, compiler: Nx.Vulkan, device: other)

      for a <- [Nx.tensor([1, 2]), on([1, 2], other), host([1, 2])],
          b <- [3, host([3]), on(3, other)] do
        t = jit.(a, b)
        assert index(t) == other
        assert Nx.to_flat_list(t) == [3, 5]
      end

      assert index(Nx.Defn.jit(fun, compiler: Nx.Vulkan).(host([1, 2]), 3)) == default

      Nx.with_default_backend({Backend, device: other}, fn ->
        assert index(Nx.Defn.jit(fun, compiler: Nx.Vulkan).(host([1, 2]), 3)) == other
      end)

      # Numbers follow where no device is named.
      plus = Nx.Defn.jit(fn a, b -> Nx.multiply(Nx.add(a, b), 2) end, compiler: Nx.Vulkan)
      assert Nx.to_flat_list(plus.(on([1, 2], other), 3)) == [8, 10]
      assert index(plus.(on([1, 2], other), host(3))) == other
      assert Nx.Defn.to_backend(compiler: Nx.Vulkan, device: other) == {Backend, [device: other]}
    end

    test "makes one partition for each device", %{default: default, other: other} do
      devices = Nx.Vulkan.devices!()
      gpus = Enum.reject(devices, & &1.cpu?)

      expected =
        for d <- if(gpus == [], do: devices, else: gpus), d.supported?, do: [device: d.index]

      assert Nx.Vulkan.__partitions_options__([]) == expected

      assert Nx.Vulkan.__partitions_options__(device: other, max_concurrency: 2) ==
               List.duplicate([device: other, max_concurrency: 2], 2)

      test = self()

      serving =
        Nx.Serving.new(
          fn options ->
            double = Nx.Defn.jit(&Nx.multiply(&1, 2), options)

            fn batch ->
              send(test, {:running, self(), options[:device]})
              receive do: (:go -> double.(batch))
            end
          end,
          compiler: Nx.Vulkan
        )

      start_supervised!(
        {Nx.Serving, serving: serving, name: __MODULE__.Serving, batch_size: 1, partitions: true}
      )

      # As many requests at once as there are partitions: each runs one.
      runs =
        for i <- 1..length(expected) do
          Task.async(fn ->
            batch = Nx.Batch.stack([Nx.tensor([i, i])])
            Nx.Serving.batched_run(__MODULE__.Serving, batch)
          end)
        end

      running = for _ <- expected, do: assert_receive({:running, _, _}, 60_000)

      assert Enum.sort(for {_, _, d} <- running, do: d) ==
               Enum.sort(for [device: d] <- expected, do: d)

      for {_, pid, _} <- running, do: send(pid, :go)
      results = Task.await_many(runs, 60_000)

      assert Enum.map(results, &Nx.to_flat_list/1) ==
               for(i <- 1..length(expected), do: [2 * i, 2 * i])

      if length(expected) == 2 and length(devices) == 2 do
        assert Enum.sort(Enum.map(results, &index/1)) == Enum.sort([default, other])
      end
    end
  end

  test "pointers are taken to the device of the options", %{other: other} do
    pointer = Nx.to_pointer(Nx.tensor([1, 2]))
    t = Nx.from_pointer({Backend, device: other}, pointer, {:s, 32}, {2})
    assert {index(t), Nx.to_flat_list(t)} == {other, [1, 2]}
    assert {:ok, engine} = Device.engine(device: other)
    assert t.data.engine == engine
  end
end
