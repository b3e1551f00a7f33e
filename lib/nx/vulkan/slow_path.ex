defmodule Nx.Vulkan.SlowPath do
  @moduledoc false
  # What is slower by far than was probably meant: an event each time that it is found, and a warning once.

  require Logger

  alias Nx.Vulkan.{Native, Once, Telemetry}

  # Rate of f64 beside f32 below which it deserves a word. CPUs and GPUs for servers have 1/2.
  @slow_f64 1 / 8

  @doc "A definition has a loop whose rounds call the host."
  @spec host_loop(reference, String.t()) :: :ok
  def host_loop(engine, name) do
    tell(engine, :host_loop, name, fn ->
      "#{name}: a loop calls functions of the host (a hook, or Nx.runtime_call/4), so that each of its rounds " <>
        "waits for the device. Nx.Vulkan.explain/2 shows the parts of the definition"
    end)
  end

  @doc "An operation of a definition is evaluated on the host."
  @spec host_operation(reference, String.t(), atom) :: :ok
  def host_operation(engine, name, op) do
    tell(engine, :host_operation, name, fn ->
      "#{name}: the function of #{op} calls the host: Nx.BinaryBackend computes it, element by element"
    end)
  end

  @doc "A value of f64 or c128 was made on an engine: whether the device is slow at that is looked up once."
  @spec f64(reference) :: :ok
  def f64(engine) do
    if Once.first?(:f64, engine) do
      with rate when rate != nil and rate < @slow_f64 <- f64_rate(engine) do
        tell(engine, :slow_f64, nil, fn -> f64_warning(Native.device(engine), rate) end)
      end
    end

    :ok
  end

  @doc false
  def f64_warning(index, rate) do
    "device #{index} computes f64 at a #{round(1 / rate)}th of the speed of f32. Where f32 is enough, make " <>
      "tensors of it: type: :f32, or Nx.as_type/2"
  end

  @doc """
  Throughput of f64 divided by that of f32, as the device was found to have; nil where it has no f64.
  """
  @spec f64_rate(reference) :: float | nil
  def f64_rate(engine) do
    with {:ok, text} <- Native.engine_describe(engine),
         [_, rate] <- Regex.run(~r/f64 rate to f32\s+([0-9.e+-]+)/, text),
         {rate, _} when rate > 0 <- Float.parse(rate) do
      rate
    else
      _ -> nil
    end
  end

  defp tell(engine, reason, name, message) do
    metadata = %{device: Native.device(engine), reason: reason, name: name}
    Telemetry.emit([:slow_path], %{count: 1}, metadata)
    if Once.first?({reason, name, metadata.device}), do: Logger.warning(message)
    :ok
  end
end
