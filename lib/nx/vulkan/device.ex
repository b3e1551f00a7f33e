defmodule Nx.Vulkan.Device do
  @moduledoc false
  # The engines of this VM, at most one for each device. Opening and closing go through this process;
  # everyone else reads engines from persistent terms, which costs nothing. A term for each way in which
  # a device has been named: an index, a part of its name, :cpu, or nil for the default one.
  #
  # The default device is the one that `Nx.Vulkan.init/1` named, else NXV_DEVICE, else the best there is.

  use GenServer

  alias Nx.Vulkan.{Error, Native, Once, Programs, Telemetry}

  @type device :: non_neg_integer | String.t() | :cpu | nil

  @state {__MODULE__, :state}

  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "The engine of the device that `options` name; opens it when it is not open."
  @spec engine(keyword) :: {:ok, reference} | {:error, Error.t()}
  def engine(options \\ []) do
    budget = options[:memory_budget]

    case :persistent_term.get(key(options[:device]), nil) do
      {engine, opened} when budget == nil or budget == opened -> {:ok, engine}
      _ -> request(:open, options)
    end
  end

  @doc "Opens the default device, which `options` may name. Refused when another one is that already."
  @spec open_default(keyword) :: {:ok, reference} | {:error, Error.t()}
  def open_default(options), do: request(:open_default, options)

  @doc "Options without those that are nil, when all are known and make sense."
  @spec validate(term) :: {:ok, keyword} | {:error, Error.t()}
  def validate(options) do
    with {:ok, options} <- known(options),
         :ok <- budget(options[:memory_budget]),
         :ok <- device(options[:device]) do
      {:ok, options |> Enum.reject(fn {_, value} -> value == nil end) |> Enum.sort()}
    end
  end

  @doc "Closes a device if it is open."
  @spec close(device) :: :ok | {:error, Error.t()}
  def close(device) do
    with :ok <- device(device), do: call({:close, device})
  end

  @doc "The engines that are open."
  @spec engines() :: [reference]
  def engines, do: call(:engines)

  @doc "What is open: by its device's index, `:engine`, and what events told of it (`:told`)."
  @spec open() :: %{non_neg_integer => map}
  def open, do: :persistent_term.get(@state, %{open: %{}}).open

  @doc "The index of the device of an engine that is open."
  @spec index(reference) :: non_neg_integer | nil
  def index(engine) do
    Enum.find_value(open(), fn {index, entry} -> if entry.engine == engine, do: index end)
  end

  @doc "Memory of the devices that are open, by their index. One that is closed meanwhile is left out."
  @spec memory() :: {:ok, %{non_neg_integer => map}}
  def memory do
    stats = for {index, %{engine: engine}} <- open(), do: {index, Native.memory_stats(engine)}
    {:ok, for({index, {:ok, stats}} <- stats, into: %{}, do: {index, stats})}
  end

  @spec all() :: {:ok, [map]} | {:error, Error.t()}
  def all, do: Error.from_native(Native.devices())

  defp request(kind, options) do
    with {:ok, options} <- validate(options), do: call({kind, options})
  end

  defp call(request) do
    GenServer.call(__MODULE__, request, :infinity)
  catch
    :exit, {:noproc, _} -> raise "the :nx_vulkan application is not started"
  end

  defp known(options) do
    case Keyword.keyword?(options) and Keyword.validate(options, [:device, :memory_budget]) do
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

  defp device(device) do
    if device in [nil, :cpu] or device in 0..0x7FFFFFFF or name?(device),
      do: :ok,
      else:
        Error.new(
          :invalid_argument,
          "device: expected an index, a part of a name or :cpu, got #{inspect(device)}"
        )
  end

  defp name?(device), do: is_binary(device) and device != "" and String.printable?(device)

  defp key(device), do: {__MODULE__, device}

  # ---- The process. Its state: the index of the default device, once that is in use, and by the index
  # of its device each open engine, with its budget and the names in persistent terms; and the engines
  # that are being closed. A persistent term holds it, too: engines outlive a process that dies, and the
  # next one takes them over. ----

  @impl true
  def init(_) do
    Process.flag(:trap_exit, true)
    {:ok, finish(:persistent_term.get(@state, %{default: nil, open: %{}, closing: []}))}
  end

  # Waits for what is under way. An engine that is closed, or that is being closed, is left alone.
  defp finish(state) do
    Enum.each(state.closing, &Native.engine_close/1)
    remember(%{state | closing: []})
  end

  defp remember(state) do
    :persistent_term.put(@state, state)
    state
  end

  @impl true
  def handle_call({:open, options}, _from, state) do
    with {:ok, index} <- index(options[:device], state),
         {:ok, engine, state} <- open(state, index, options[:device], options[:memory_budget]) do
      {:reply, {:ok, engine}, state}
    else
      error -> {:reply, error, state}
    end
  end

  def handle_call({:open_default, options}, _from, state) do
    with {:ok, index} <- index(options[:device], state),
         :ok <- default(index, state),
         {:ok, engine, state} <- open(state, index, nil, options[:memory_budget]) do
      {:reply, {:ok, engine}, state}
    else
      error -> {:reply, error, state}
    end
  end

  def handle_call({:close, device}, _from, %{open: open} = state) when open != %{} do
    case index(device, state) do
      {:ok, index} -> {:reply, :ok, close(state, index)}
      error -> {:reply, error, state}
    end
  end

  def handle_call({:close, _device}, _from, state), do: {:reply, :ok, state}

  def handle_call(:engines, _from, state) do
    {:reply, Enum.map(state.open, fn {_, entry} -> entry.engine end), state}
  end

  @impl true
  def terminate(_reason, state) do
    Enum.reduce(Map.keys(state.open), state, &close(&2, &1))
  end

  defp index(nil, %{default: nil}), do: Error.from_native(Native.device_find(nil))
  defp index(nil, %{default: index}), do: {:ok, index}
  defp index(index, _state) when is_integer(index), do: {:ok, index}
  defp index(name, _state), do: Error.from_native(Native.device_find(to_string(name)))

  defp default(index, %{default: default}) when default in [nil, index], do: :ok

  defp default(_index, %{default: default}) do
    Error.new(
      :invalid_argument,
      "device #{default} is the default device already; call Nx.Vulkan.close/0 first, " <>
        "or name another with device: where tensors are made"
    )
  end

  defp open(state, index, name, budget) do
    with {:ok, entry} <- entry(state.open[index], index, budget) do
      entry = %{entry | names: [name | entry.names]}
      state = if name == nil, do: %{state | default: index}, else: state
      state = remember(put_in(state.open[index], entry))
      :persistent_term.put(key(name), {entry.engine, entry.budget})
      {:ok, entry.engine, state}
    end
  end

  defp entry(nil, index, budget) do
    open = fn -> Error.from_native(Native.engine_open(index, budget || 0)) end

    with {:ok, engine} <- Telemetry.timed([:device, :open], open, fn _ -> %{device: index} end) do
      {:ok, %{engine: engine, budget: budget, names: [], told: Telemetry.told()}}
    end
  end

  defp entry(%{budget: opened} = entry, _, budget) when budget in [nil, opened], do: {:ok, entry}

  defp entry(%{budget: opened}, index, budget) do
    with_budget =
      if opened, do: "a memory_budget: of #{opened}", else: "its default memory budget"

    Error.new(
      :invalid_argument,
      "device #{index} is open already with #{with_budget}, not #{budget}; " <>
        "call Nx.Vulkan.close/1 first"
    )
  end

  defp close(state, index) do
    case pop_in(state.open[index]) do
      {nil, state} ->
        state

      {entry, state} ->
        state = if state.default == index, do: %{state | default: nil}, else: state
        state = remember(%{state | closing: [entry.engine | state.closing]})
        Enum.each(entry.names, &:persistent_term.erase(key(&1)))
        Programs.forget(entry.engine)
        Once.forget(entry.engine)
        finish = fn -> {:ok, finish(state)} end
        {:ok, state} = Telemetry.timed([:device, :close], finish, fn _ -> %{device: index} end)
        state
    end
  end
end
