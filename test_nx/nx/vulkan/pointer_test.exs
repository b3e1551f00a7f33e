defmodule Nx.Vulkan.PointerTest do
  use ExUnit.Case, async: true
  @moduletag :device

  alias Nx.Vulkan.Backend

  @posix match?({:unix, _}, :os.type())

  defp from(pointer, t), do: Nx.from_pointer(Backend, pointer, t.type, t.shape, names: t.names)

  # A tensor that nothing refers to any more takes its pointers with it.
  defp keep(t), do: Nx.to_binary(t)

  # Whether shared memory of that name can be opened.
  defp shared?(%Nx.Pointer{} = pointer) do
    Nx.from_pointer(Backend, %{pointer | data_size: 1}, {:u, 8}, {1})
    true
  rescue
    ArgumentError -> false
  end

  test "a local pointer is to a copy on the host, which lives as long as the tensor" do
    for t <- [Nx.tensor([1.5, -2.0]), Nx.tensor([[1, -1, 3]], type: :s4)] do
      pointer = Nx.to_pointer(t)
      assert %Nx.Pointer{kind: :local, data_size: size} = pointer
      assert size == div(Nx.bit_size(t) + 7, 8)
      assert Nx.to_pointer(t) == pointer
      assert Nx.to_flat_list(from(pointer, t)) == Nx.to_flat_list(t)
      keep(t)
    end
  end

  test "what does not fit raises" do
    t = Nx.tensor([1, 2])

    for mode <- if(@posix, do: [:local, :ipc], else: [:local]) do
      pointer = Nx.to_pointer(t, mode: mode)

      assert_raise ArgumentError, ~r/expected: 12, got: 8/, fn ->
        Nx.from_pointer(Backend, pointer, {:s, 32}, {3})
      end
    end

    for permissions <- [-1, 0o10000, "0400"] do
      assert_raise ArgumentError, ~r/permissions/, fn ->
        Nx.to_pointer(t, mode: :ipc, permissions: permissions)
      end
    end

    assert_raise ArgumentError, ~r/:local or :ipc/, fn -> Nx.to_pointer(t, mode: :far) end
  end

  if @posix do
    test "a pointer to shared memory is to a copy of the elements" do
      for t <- [Nx.iota({50_000}, type: :f32, names: [:x]), Nx.tensor([[1, -1, 3]], type: :s4)] do
        pointer = Nx.to_pointer(t, mode: :ipc)
        assert %Nx.Pointer{kind: :ipc, handle: "/" <> _, data_size: size} = pointer
        assert size == div(Nx.bit_size(t) + 7, 8)
        assert byte_size(pointer.handle) <= 31
        copy = from(pointer, t)
        assert copy.names == t.names
        assert Nx.to_binary(copy) == Nx.to_binary(t)
        keep(t)
      end
    end

    test "a tensor has one segment for each kind of permissions" do
      t = Nx.tensor([1, 2])
      pointer = Nx.to_pointer(t, mode: :ipc)
      assert Nx.to_pointer(t, mode: :ipc) == pointer
      other = Nx.to_pointer(t, mode: :ipc, permissions: 0o600)
      assert other != pointer

      if :os.type() == {:unix, :linux} do
        for {pointer, permissions} <- [{pointer, 0o400}, {other, 0o600}] do
          assert Bitwise.band(File.stat!("/dev/shm" <> pointer.handle).mode, 0o7777) ==
                   permissions
        end
      end

      keep(t)
    end

    test "shared memory disappears with the tensor" do
      t = Nx.tensor([1, 2])
      pointer = Nx.to_pointer(t, mode: :ipc)
      copy = from(pointer, t)
      assert shared?(pointer)
      Nx.backend_deallocate(t)
      refute shared?(pointer)
      assert_raise ArgumentError, ~r/#{pointer.handle}/, fn -> from(pointer, t) end
      assert Nx.to_flat_list(copy) == [1, 2]

      t = Nx.tensor([1, 2])
      pointer = Nx.to_pointer(t, mode: :ipc)
      assert shared?(pointer)
      keep(t)
      :erlang.garbage_collect()
      assert gone?(pointer)
    end

    # Destructors run when processes yield, and another VM takes a while to exit.
    defp gone?(pointer) do
      Enum.any?(1..2500, fn _ -> not shared?(pointer) or (Process.sleep(2) && false) end)
    end

    test "a segment that is too short is refused" do
      t = Nx.tensor([1, 2])
      pointer = Nx.to_pointer(t, mode: :ipc)

      assert_raise Nx.Vulkan.Error, ~r/smaller than the tensor/, fn ->
        Nx.from_pointer(Backend, %{pointer | data_size: 8_000_000}, {:s, 32}, {2_000_000})
      end

      assert Nx.to_flat_list(from(pointer, t)) == [1, 2]
      keep(t)
    end

    # Another operating system process with a VM of its own.
    test "two VMs share memory, which disappears with the one that made it" do
      options = %{connection: :standard_io, args: code_paths(), wait_boot: 60_000}
      {:ok, peer, _} = :peer.start_link(options)
      {:ok, _} = :peer.call(peer, :application, :ensure_all_started, [:nx_vulkan], 60_000)

      t = Nx.iota({1000}, type: :s64, backend: Backend)
      pointer = Nx.to_pointer(t, mode: :ipc)
      sum = :peer.call(peer, __MODULE__.Peer, :sum, [pointer], 60_000)
      assert sum == Nx.to_number(Nx.sum(t))

      pointer = :peer.call(peer, __MODULE__.Peer, :share, [[4, 5, 6]], 60_000)
      assert Nx.to_flat_list(Nx.from_pointer(Backend, pointer, {:s, 64}, {3})) == [4, 5, 6]
      :ok = :peer.stop(peer)
      assert gone?(pointer)
    end

    # The peer finds this file's modules in a folder, too.
    defp code_paths do
      folder =
        Path.join(System.tmp_dir!(), "nx_vulkan_peer_#{System.unique_integer([:positive])}")

      File.mkdir_p!(folder)
      on_exit(fn -> File.rm_rf!(folder) end)
      {:module, module, beam, _} = define_peer()
      File.write!(Path.join(folder, "#{module}.beam"), beam)
      Enum.flat_map([to_charlist(folder) | :code.get_path()], &[~c"-pa", &1])
    end

    defp define_peer do
      defmodule Peer do
        def sum(pointer) do
          t = Nx.from_pointer(Nx.Vulkan.Backend, pointer, {:s, 64}, {1000})
          Nx.to_number(Nx.sum(t))
        end

        # The tensor stays alive until the VM exits.
        def share(list) do
          t = Nx.tensor(list, type: :s64, backend: Nx.Vulkan.Backend)
          :persistent_term.put(__MODULE__, t)
          Nx.to_pointer(t, mode: :ipc)
        end
      end
    end
  end
end
