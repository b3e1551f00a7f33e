defmodule Nx.Vulkan.Application do
  @moduledoc false
  # When the application stops, Nx.Vulkan.Device closes its engines, for which its supervisor gives it
  # five seconds. A VM that halts without that is no danger: the library sees to its threads itself.
  use Application

  @impl true
  def start(_type, _args) do
    # This process lives as long as the application, and so do its tables.
    :ok = Nx.Vulkan.Programs.create()
    :ok = Nx.Vulkan.Once.create()
    :ok = Nx.Vulkan.Telemetry.detect()

    Supervisor.start_link([Nx.Vulkan.Device],
      strategy: :one_for_one,
      name: Nx.Vulkan.Supervisor
    )
  end
end
