defmodule Nx.Vulkan.Device do
  @moduledoc false
  # Holds the engine that this VM's tensors live on, with the options it was opened with. Opening and closing go through this process;
  # everyone else reads the engine from a persistent term, which costs nothing.

  use GenServer

  alias Nx.Vulkan.{Error, Native}

  @key {__MODULE__, :engine}

  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "The open engine, when it was opened with `options`; opens one when there is none."
  @spec engine(keyword) :: {:ok, reference} | {:error, Error.t()}
  def engine(options \\ []) do
    case :persistent_term.get(@key, nil) do
      {engine, _} when options == [] -> {:ok, engine}
      {engine, ^options} -> {:ok, engine}
      _ -> open(options)
    end
  end

  @doc "The name of the open device."
  @spec name() :: String.t()
  def name do
    with {:ok, engine} <- engine(), {:ok, device} <- Native.engine_device(engine) do
      device.name
    else
      {:error, _} -> "closed"
      {:error, _, _} -> "closed"
    end
  end

  @doc "Opens an engine, or answers the open one when `options` does not contradict it."
  @spec open(keyword) :: {:ok, reference} | {:error, Error.t()}
  def open(options) do
    with {:ok, options} <- validate(options), do: call({:open, options})
  end

  @doc "Options without those that are nil, when all are known and make sense."
  @spec validate(term) :: {:ok, keyword} | {:error, Error.t()}
  def validate(options) do
    with {:ok, options} <- known(options),
         :ok <- budget(options[:memory_budget]),
         :ok <- device(options[:device]) do
      {:ok, options |> Enum.reject(fn {_, value} -> value == nil end) |> Enum.sort()}
    end
  end

  @spec close() :: :ok
  def close, do: call(:close)

  @spec all() :: {:ok, [map]} | {:error, Error.t()}
  def all do
    case Native.devices() do
      {:ok, devices} -> {:ok, Enum.with_index(devices, &Map.put(&1, :index, &2))}
      {:error, reason, message} -> Error.new(reason, message)
    end
  end

  defp call(request) do
    GenServer.call(__MODULE__, request, :infinity)
  catch
    :exit, {:noproc, _} -> raise "the :nx_vulkan application is not started"
  end

  defp known(options) do
    case is_list(options) and Keyword.validate(options, [:device, :memory_budget]) do
      {:ok, options} ->
        {:ok, options}

      {:error, unknown} ->
        Error.new(:invalid_argument, "unknown options #{inspect(unknown)}; " <> accepted())

      false ->
        Error.new(:invalid_argument, "expected options, got #{inspect(options)}; " <> accepted())
    end
  end

  defp accepted, do: "device: and memory_budget: are accepted"

  defp budget(nil), do: :ok
  defp budget(bytes) when is_integer(bytes) and bytes in 1..0xFFFFFFFFFFFFFFFF, do: :ok

  defp budget(other) do
    Error.new(:invalid_argument, "memory_budget: expected bytes, got #{inspect(other)}")
  end

  defp device(device) when device in [nil, :cpu] or is_binary(device), do: :ok
  defp device(index) when is_integer(index) and index in 0..0x7FFFFFFF, do: :ok

  defp device(other) do
    Error.new(
      :invalid_argument,
      "device: expected an index, a part of a name or :cpu, got #{inspect(other)}"
    )
  end

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    {:ok, nil}
  end

  @impl true
  def handle_call({:open, options}, _from, state) do
    case :persistent_term.get(@key, nil) do
      nil ->
        with {:ok, index} <- index(options[:device]),
             {:ok, engine} <- native_open(index, options[:memory_budget] || 0) do
          :persistent_term.put(@key, {engine, options})
          {:reply, {:ok, engine}, state}
        else
          error -> {:reply, error, state}
        end

      {engine, opened} ->
        if Enum.all?(options, &(&1 in opened)) do
          {:reply, {:ok, engine}, state}
        else
          {:reply, Error.new(:invalid_argument, already_open(opened)), state}
        end
    end
  end

  def handle_call(:close, _from, state) do
    close_engine()
    {:reply, :ok, state}
  end

  @impl true
  def terminate(_reason, _state), do: close_engine()

  defp already_open(options) do
    "a device is open already with options #{inspect(options)}; " <>
      "call Nx.Vulkan.close/0 first"
  end

  defp native_open(index, budget) do
    case Native.engine_open(index, budget) do
      {:ok, engine} -> {:ok, engine}
      {:error, reason, message} -> Error.new(reason, message)
    end
  end

  defp index(nil), do: {:ok, -1}
  defp index(index) when is_integer(index), do: {:ok, index}

  defp index(:cpu) do
    with {:ok, devices} <- all() do
      case Enum.find(devices, & &1.cpu?) do
        nil -> Error.new(:no_device, "no Vulkan device runs on the CPU; Mesa's lavapipe does")
        device -> {:ok, device.index}
      end
    end
  end

  defp index(name) do
    with {:ok, devices} <- all() do
      case Enum.find(devices, &String.contains?(String.downcase(&1.name), String.downcase(name))) do
        nil ->
          names = Enum.map_join(devices, ", ", & &1.name)
          Error.new(:no_device, "no device has #{inspect(name)} in its name; there are: #{names}")

        device ->
          {:ok, device.index}
      end
    end
  end

  defp close_engine do
    case :persistent_term.get(@key, nil) do
      nil ->
        :ok

      {engine, _options} ->
        :persistent_term.erase(@key)
        Native.engine_close(engine)
    end
  end
end
