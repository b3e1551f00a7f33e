defmodule Nx.Vulkan.Events do
  # The events of Nx.Vulkan.Telemetry as messages, {[:evaluation], measurements, metadata}, whoever causes
  # them. Where :telemetry is not there, a module stands in for it.

  @all [
    [:evaluation],
    [:transfer],
    [:compilation, :program],
    [:compilation, :kernels],
    [:memory, :pressure],
    [:memory, :exhausted],
    [:fault],
    [:slow_path],
    [:device, :open],
    [:device, :close],
    [:device, :lost],
    [:device, :statistics]
  ]

  def all, do: @all

  @doc "Has events sent to the calling process until `detach/0`."
  def attach do
    if Code.ensure_loaded?(:telemetry), do: :ok, else: stand_in()

    if function_exported?(:telemetry, :attach_many, 4) do
      {:ok, _} = Application.ensure_all_started(:telemetry)
      names = Enum.map(@all, &[:nx_vulkan | &1])
      :ok = apply(:telemetry, :attach_many, [__MODULE__, names, &__MODULE__.handle/4, self()])
    else
      :persistent_term.put(__MODULE__, self())
    end

    Nx.Vulkan.Telemetry.detect()
    if not Nx.Vulkan.Telemetry.on?(), do: :persistent_term.put({Nx.Vulkan.Telemetry, :on}, true)
    :ok
  end

  def detach do
    if function_exported?(:telemetry, :detach, 1),
      do: apply(:telemetry, :detach, [__MODULE__]),
      else: :persistent_term.erase(__MODULE__)

    Nx.Vulkan.Telemetry.detect()
  end

  def handle([:nx_vulkan | event], measurements, metadata, pid),
    do: send(pid, {event, measurements, metadata})

  def stood_in(event, measurements, metadata) do
    if pid = :persistent_term.get(__MODULE__, nil), do: handle(event, measurements, metadata, pid)
    :ok
  end

  defp stand_in do
    contents =
      quote do
        defdelegate execute(event, measurements, metadata), to: Nx.Vulkan.Events, as: :stood_in
      end

    Module.create(:telemetry, contents, __ENV__)
  end
end
