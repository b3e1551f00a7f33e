defmodule Mix.Tasks.NxVulkan.Doctor do
  @shortdoc "Says what is right and wrong with this machine's Vulkan, and what to do"
  @moduledoc """
  Looks at versions, the Vulkan loader, drivers, devices and the cache of kernels, tries one device
  (arithmetic, products, memory, speed), and ends with what to do:

      mix nx_vulkan.doctor
      mix nx_vulkan.doctor --device "Radeon"

  `--device` is an index, a part of a device's name, or `cpu`; by default it is what `NXV_DEVICE`
  says, else the best. The output is made for reports. The exit status is 0 where the device computes
  rightly, else 1. `nxv doctor`, of the command line, says the same without Elixir.
  """
  use Mix.Task

  @requirements ["compile"]

  @impl true
  def run(arguments) do
    {options, _rest} = OptionParser.parse!(arguments, strict: [device: :string])
    {text, well?} = Nx.Vulkan.Doctor.examine(options[:device])
    Mix.shell().info(text)
    unless well?, do: exit({:shutdown, 1})
  end
end
