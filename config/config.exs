import Config

# Nx's doctests compare whole texts.
if config_env() == :test, do: config(:nx_vulkan, add_backend_on_inspect: false)
