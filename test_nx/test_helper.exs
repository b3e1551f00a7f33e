# Tests with Nx, after those of test/: they need the device.
Nx.global_default_backend(Nx.Vulkan.Backend)
