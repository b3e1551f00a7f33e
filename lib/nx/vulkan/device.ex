defmodule Nx.Vulkan.Device do
  @moduledoc false
  # Holds the engine that this VM's tensors live on. Opening and closing go through this process;
  # everyone else reads the engine from a persistent term, which costs nothing.

  use GenServer

  alias Nx.Vulkan.{Error, Native}

  @key {__MODULE__, :engine}

  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "The open engine; opens one with default options when there is none."
  @spec engine() :: {:ok, reference} | {:error, Error.t()}
  def engine do
    case :persistent_term.get(@key, nil) do
      nil -> open([])
      engine -> {:ok, engine}
    end
  end

  @doc "Opens an engine, or answers the open one when `options` does not contradict it."
  @spec open(keyword) :: {:ok, reference} | {:error, Error.t()}
  def open(options) do
    with {:ok, options} <- validate(options), do: call({:open, options})
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

  # :device may be an index or a part of a name; :memory_budget is in bytes.
  defp validate(options) do
    with {:ok, options} <- known(options),
         :ok <- budget(options[:memory_budget]),
         :ok <- device(options[:device]) do
      {:ok, options |> Enum.reject(fn {_, value} -> value == nil end) |> Map.new()}
    end
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

  defp device(device) when device == nil or is_binary(device), do: :ok
  defp device(index) when is_integer(index) and index in 0..0x7FFFFFFF, do: :ok

  defp device(other) do
    Error.new(
      :invalid_argument,
      "device: expected an index or a part of a name, got #{inspect(other)}"
    )
  end

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    {:ok, %{}}
  end

  @impl true
  def handle_call({:open, options}, _from, state) do
    case :persistent_term.get(@key, nil) do
      nil ->
        with {:ok, index} <- index(options[:device]),
             {:ok, engine} <- native_open(index, options[:memory_budget] || 0) do
          :persistent_term.put(@key, engine)
          {:reply, {:ok, engine}, options}
        else
          error -> {:reply, error, state}
        end

      engine ->
        if Enum.all?(options, fn {key, value} -> state[key] == value end) do
          {:reply, {:ok, engine}, state}
        else
          {:reply, Error.new(:invalid_argument, already_open(state)), state}
        end
    end
  end

  def handle_call(:close, _from, _state) do
    close_engine()
    {:reply, :ok, %{}}
  end

  @impl true
  def terminate(_reason, _state), do: close_engine()

  defp already_open(options) do
    "a device is open already with options #{inspect(Map.to_list(options))}; " <>
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

      engine ->
        :persistent_term.erase(@key)
        Native.engine_close(engine)
    end
  end
end
