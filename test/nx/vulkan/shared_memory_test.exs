if :os.type() == {:unix, :linux} do
  defmodule Nx.Vulkan.SharedMemoryTest do
    # Segments that are full, shortened, or no segments: errors. A mapping would end the VM.
    use ExUnit.Case, async: true
    @moduletag :device

    alias Nx.Vulkan, as: V
    alias Nx.Vulkan.{Native, Value}

    @megabyte 0x100000

    setup do
      name = "/nxv-test-#{System.unique_integer([:positive])}-#{System.pid()}"
      on_exit(fn -> File.rm_rf!("/dev/shm" <> name) end)
      %{name: name, path: "/dev/shm" <> name, tensor: V.tensor!([1.0, 2.0])}
    end

    # A tensor, or why not.
    defp read(tensor, name, size) do
      with {:error, error} <-
             Value.make(fn -> Native.from_shared(tensor.ref, :u8, [size], name, size) end),
           do: {:error, error.reason}
    end

    test "what was shared is read", %{tensor: tensor} do
      bytes = :crypto.strong_rand_bytes(3 * @megabyte + 1)
      {:ok, name} = Native.share(tensor.ref, bytes, 0o7600)
      assert Bitwise.band(File.stat!("/dev/shm" <> name).mode, 0o7777) == 0o600
      assert {:ok, copy} = read(tensor, name, byte_size(bytes))
      assert V.to_binary!(copy) == bytes
      assert read(tensor, name, byte_size(bytes) + 1) == {:error, :size_mismatch}
      V.deallocate!(tensor)
    end

    test "a FIFO, a folder, a link or a device of that name",
         %{name: name, path: path} = context do
      assert read(context.tensor, name, 1) == {:error, :invalid_argument}
      {_, 0} = System.cmd("mkfifo", [path])
      assert read(context.tensor, name, 1) == {:error, :invalid_argument}
      File.rm!(path)
      File.mkdir!(path)
      assert read(context.tensor, name, 1) == {:error, :invalid_argument}
      File.rmdir!(path)
      File.ln_s!("/dev/zero", path)
      assert read(context.tensor, name, 1) == {:error, :invalid_argument}
    end

    test "one that others shorten while it is read", %{name: name, path: path, tensor: tensor} do
      size = 2 * @megabyte
      bytes = :binary.copy(<<7>>, size)
      File.write!(path, bytes)

      shortener =
        Task.async(fn ->
          for _ <- 1..40 do
            File.write!(path, binary_part(bytes, 0, 4096))
            File.write!(path, bytes)
          end
        end)

      for _ <- 1..40 do
        result = read(tensor, name, size)
        assert match?({:ok, _}, result) or result == {:error, :size_mismatch}
      end

      Task.await(shortener, :infinity)
      assert {:ok, _} = read(tensor, name, size)
    end

    @script """
    alias Nx.Vulkan, as: V
    x = V.tensor!([1.0, 2.0])
    bytes = :binary.copy(<<7>>, 3_000_000)
    {:error, :alloc_failed, message} = Nx.Vulkan.Native.share(x.ref, bytes, 0o600)
    [] = File.ls!("/dev/shm")
    {:ok, _} = Nx.Vulkan.Native.share(x.ref, binary_part(bytes, 0, 500_000), 0o600)
    [1.0, 2.0] = V.to_list!(x)
    IO.puts("refused: " <> message)
    """

    # With /dev/shm of one megabyte, in a mount namespace of its own.
    test "a full file system" do
      mount = "mount -t tmpfs -o size=1m tmpfs /dev/shm"

      case System.cmd("unshare", ["-m", "sh", "-c", mount], stderr_to_stdout: true) do
        {_, 0} ->
          paths = Enum.flat_map(:code.get_path(), &["-pa", to_string(&1)])
          elixir = Enum.join(["exec", System.find_executable("elixir") | quoted(paths)], " ")
          start = "{:ok, _} = Application.ensure_all_started(:nx_vulkan)\n" <> @script
          command = mount <> " && " <> elixir <> " -e " <> hd(quoted([start]))

          {output, status} =
            System.cmd("unshare", ["-m", "sh", "-c", command], stderr_to_stdout: true)

          assert status == 0, output
          assert output =~ "refused: shared memory"

        {why, _} ->
          IO.puts("SKIPPED: a full /dev/shm needs a mount namespace: " <> String.trim(why))
      end
    end

    defp quoted(words), do: Enum.map(words, &("'" <> String.replace(&1, "'", "'\\''") <> "'"))
  end
end
