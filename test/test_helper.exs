# Tests tagged :device run on the device of NXV_DEVICE, else on the best one.
excluded =
  case Nx.Vulkan.init() do
    :ok ->
      {:ok, name} = Nx.Vulkan.device_name()
      IO.puts("Device: #{name}")
      []

    {:error, reason} ->
      IO.puts(:stderr, "SKIPPED: tests tagged :device (Nx.Vulkan.init/1 answers #{reason})")
      [:device]
  end

unless Code.ensure_loaded?(Nx.Backend) do
  IO.puts(:stderr, "SKIPPED: the tests of test_nx/ (there is no Nx; name its sources in NXV_NX)")
end

# The validation layers, when NXV_VALIDATION asks for them, may not have had anything to say.
ExUnit.after_suite(fn _ ->
  with {:ok, %{validation_messages: n}} when n > 0 <- Nx.Vulkan.counters() do
    IO.puts(:stderr, "FAILED: #{n} messages from the validation layers")
    System.at_exit(fn _ -> exit({:shutdown, 1}) end)
  end
end)

ExUnit.start(exclude: excluded)
