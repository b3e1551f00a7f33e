# Tests tagged :device run on the device of NXV_DEVICE, else on the best one; those tagged :two_devices
# on another one, too. The Vulkan loader reads its environment before a test could set it.
two_devices = fn ->
  if Enum.count(Nx.Vulkan.devices!(), & &1.supported?) > 1 do
    []
  else
    IO.puts(:stderr, """
    SKIPPED: tests tagged :two_devices (there is one device; the manifest of lavapipe in
    VK_ADD_DRIVER_FILES, such as /usr/share/vulkan/icd.d/lvp_icd.x86_64.json, makes a second one)\
    """)

    [:two_devices]
  end
end

excluded =
  case Nx.Vulkan.init() do
    :ok ->
      {:ok, name} = Nx.Vulkan.device_name()
      IO.puts("Device: #{name}")
      two_devices.()

    {:error, reason} ->
      IO.puts(:stderr, "SKIPPED: tests tagged :device (Nx.Vulkan.init/1 answers #{reason})")
      [:device, :two_devices]
  end

unless Code.ensure_loaded?(Nx.Backend) do
  IO.puts(:stderr, "SKIPPED: the tests of test_nx/ (there is no Nx; name its sources in NXV_NX)")
end

unless Code.ensure_loaded?(Axon) do
  IO.puts(
    :stderr,
    "SKIPPED: the tests of test_axon/ (there is no Axon; name its sources in NXV_AXON)"
  )
end

# The validation layers, when NXV_VALIDATION asks for them, may not have had anything to say.
ExUnit.after_suite(fn _ ->
  with {:ok, %{validation_messages: n}} when n > 0 <- Nx.Vulkan.counters() do
    IO.puts(:stderr, "FAILED: #{n} messages from the validation layers")
    System.at_exit(fn _ -> exit({:shutdown, 1}) end)
  end
end)

# Warnings of slow paths, among others, are shown where a test fails.
ExUnit.start(exclude: excluded, capture_log: true)
