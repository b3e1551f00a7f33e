defmodule Nx.Vulkan.Telemetry do
  @moduledoc """
  Events for `:telemetry`, where that application is started before `:nx_vulkan`; as a dependency of the
  project it is. Without it nothing is measured.

      :telemetry.attach("kernels", [:nx_vulkan, :compilation, :kernels], &MyApp.Metrics.handle/4, nil)

  Handlers run in the process that caused the event. Durations are in native units of time
  (`System.convert_time_unit/3`), sizes in bytes. `:device` is the index of `Nx.Vulkan.devices/0`.

  ## What processes wait for

  `[:nx_vulkan, :evaluation]`: a process waited for a value: it read it, or `Nx.Vulkan.eval/1` had it computed.

    * measurements: `:duration` (waiting for the device, computing and transfer)
    * metadata: `:device`, `:operation` (`:read` or `:eval`), `:result` (`:ok` or a reason of
      `Nx.Vulkan.Error`)

  `[:nx_vulkan, :transfer]`: bytes of elements went to a device, or came from it.

    * measurements: `:bytes`, `:duration` (upwards: until the bytes are taken over; downwards: as of the
      evaluation)
    * metadata: `:device`, `:direction` (`:up` or `:down`)

  ## Compilation

  `[:nx_vulkan, :compilation, :program]`: a definition was traced and became a program.

    * measurements: `:duration`
    * metadata: `:device`, `:name` (of the definition), `:parts`: 1, how many there are between calls of
      the host, or 0 where there is nothing to compute

  `[:nx_vulkan, :compilation, :kernels]`: kernels were compiled since the last such event of the device.
  Whoever waited a millisecond or more for a value, or called `measure/0`, notices.

    * measurements: `:kernels`, `:duration` (of all of them one after the other; they compile side by
      side), `:driver_cache_hits` (found in the driver's cache), `:module_cache_hits` (whose code was kept
      from an earlier run)
    * metadata: `:device`

  ## Memory

  `[:nx_vulkan, :memory, :pressure]`: garbage held much memory of a device, and the process that makes
  tensors was collected.

    * measurements: those of `Nx.Vulkan.memory_stats/1`, before
    * metadata: `:device`, `:collection` (`:minor` or `:major`)

  `[:nx_vulkan, :memory, :exhausted]`: memory was refused. All processes that hold tensors were collected,
  and it was tried once more.

    * measurements: those of `Nx.Vulkan.memory_stats/1`, before, where one device's memory was refused
    * metadata: `:device` (nil where any could be meant), `:result` of the second try, `:ok` or a reason

  ## What goes wrong

  `[:nx_vulkan, :fault]`: a value could not be computed, for what only its data shows (`:out_of_bounds`,
  `:arithmetic`, `:negative_shift`, `:singular`) or for another reason than memory or the loss of its device.

    * measurements: `:count` (1)
    * metadata: `:device`, `:reason`, `:message`

  `[:nx_vulkan, :slow_path]`: a definition was compiled to something slower by far than it looks, or a device
  is slow at `f64`. A warning is logged, too, once for each definition and device.

    * measurements: `:count` (1)
    * metadata: `:device`, `:reason`: `:host_loop` (rounds of a loop, each a request of its own),
      `:host_operation` (an operation on `Nx.BinaryBackend`) or `:slow_f64`; `:name`, of the definition, or nil

  ## Devices

    * `[:nx_vulkan, :device, :open]`: measurements `:duration`; metadata `:device`
    * `[:nx_vulkan, :device, :close]`: measurements `:duration`; metadata `:device`
    * `[:nx_vulkan, :device, :lost]`: once for each time that it is open. Measurements `:count` (1); metadata
      `:device`, `:message`
    * `[:nx_vulkan, :device, :statistics]`: by `measure/0`. Measurements: those of
      `Nx.Vulkan.memory_stats/1` and `Nx.Vulkan.counters/1`; metadata `:device`
  """

  alias Nx.Vulkan.{Device, Error, Native, Once}

  # The application need not be there.
  @compile {:no_warn_undefined, :telemetry}

  @on {__MODULE__, :on}
  # Microseconds. Who waits less has not waited for a compiler.
  @compiles 1_000

  @doc """
  Tells what each open device holds and has done: `[:nx_vulkan, :device, :statistics]`, and kernels
  that nobody noticed yet. For a process that measures now and then, such as `:telemetry_poller`:

      {:telemetry_poller, measurements: [{Nx.Vulkan.Telemetry, :measure, []}], period: 10_000}
  """
  @spec measure() :: :ok
  def measure do
    if on?() do
      for {index, %{engine: engine}} <- Device.open() do
        with {:ok, memory} <- Native.memory_stats(engine),
             {:ok, counters} <- Native.counters(engine) do
          emit([:device, :statistics], Map.merge(memory, counters), %{device: index})
          kernels(index, counters)
        end
      end
    end

    :ok
  end

  @doc false
  # Looks whether there is anybody to tell. Persistent terms cost readers nothing.
  def detect do
    started = List.keymember?(Application.started_applications(), :telemetry, 0)
    :persistent_term.put(@on, started and Code.ensure_loaded?(:telemetry))
  end

  @doc false
  @spec on?() :: boolean
  def on?, do: :persistent_term.get(@on, false)

  @doc false
  @spec emit([atom], map, map) :: :ok
  def emit(event, measurements, metadata) do
    if on?(), do: :telemetry.execute([:nx_vulkan | event], measurements, metadata)
    :ok
  end

  @doc false
  # `fun`, with its duration as an event if it answers {:ok, _} or :ok.
  @spec timed([atom], (() -> result), (result -> map)) :: result when result: term
  def timed(event, fun, metadata) do
    measured(fun, fn duration, result ->
      if ok?(result), do: emit(event, %{duration: duration}, metadata.(result))
    end)
  end

  @doc false
  # `fun` hands bytes to an engine.
  @spec upload(reference, non_neg_integer, (() -> result)) :: result when result: term
  def upload(engine, bytes, fun) do
    measured(fun, fn duration, result ->
      if ok?(result), do: transfer(Native.device(engine), :up, bytes, duration)
    end)
  end

  @doc false
  # `fun` waits for a value of an engine: {:ok, bytes}, :ok or an error.
  @spec evaluation(:read | :eval, reference, (() -> result)) :: result when result: term
  def evaluation(operation, engine, fun),
    do: measured(fun, &evaluated(operation, engine, &1, &2))

  # What `fun` answers. `tell` is given its duration and that, where there is anybody to tell.
  defp measured(fun, tell) do
    if on?() do
      start = System.monotonic_time()
      result = fun.()
      tell.(System.monotonic_time() - start, result)
      result
    else
      fun.()
    end
  end

  defp evaluated(operation, engine, duration, result) do
    index = Native.device(engine)
    metadata = %{device: index, operation: operation, result: reason(result)}
    emit([:evaluation], %{duration: duration}, metadata)

    case result do
      {:ok, bytes} -> transfer(index, :down, byte_size(bytes), duration)
      :ok -> :ok
      {:error, error} -> failed(error, engine, index)
    end

    microseconds = System.convert_time_unit(duration, :native, :microsecond)

    with true <- microseconds >= @compiles, {:ok, counters} <- Native.counters(engine) do
      kernels(index, counters)
    end
  end

  defp transfer(index, direction, bytes, duration) do
    emit([:transfer], %{bytes: bytes, duration: duration}, %{device: index, direction: direction})
  end

  # Who reads a tensor of a device that was closed knows why it is gone. Memory has events of its own.
  defp failed(%Error{reason: :device_lost, message: message}, engine, index) do
    if Device.index(engine) != nil and Once.first?(:lost, engine),
      do: emit([:device, :lost], %{count: 1}, %{device: index, message: message})
  end

  defp failed(%Error{reason: reason}, _, _) when reason in [:alloc_failed, :deallocated], do: :ok

  defp failed(%Error{reason: reason, message: message}, _engine, index) do
    emit([:fault], %{count: 1}, %{device: index, reason: reason, message: message})
  end

  # Counters that an event has told of. Whoever moves the first one on tells of what came in between.
  @told [:kernels_compiled, :cache_hits, :module_cache_hits, :compile_milliseconds]

  defp kernels(index, counters) do
    with %{told: told} <- Device.open()[index],
         before = :atomics.get(told, 1),
         true <- counters.kernels_compiled > before,
         :ok <- :atomics.compare_exchange(told, 1, before, counters.kernels_compiled) do
      [driver, modules, microseconds] =
        for {name, i} <- Enum.with_index(tl(@told), 2) do
          now = now(name, counters)
          max(now - :atomics.exchange(told, i, now), 0)
        end

      measurements = %{
        kernels: counters.kernels_compiled - before,
        duration: System.convert_time_unit(microseconds, :microsecond, :native),
        driver_cache_hits: driver,
        module_cache_hits: modules
      }

      emit([:compilation, :kernels], measurements, %{device: index})
    end
  end

  defp now(:compile_milliseconds, counters), do: round(counters.compile_milliseconds * 1000)
  defp now(name, counters), do: Map.fetch!(counters, name)

  @doc false
  # What `kernels` remembers of an engine.
  @spec told() :: :atomics.atomics_ref()
  def told, do: :atomics.new(length(@told), [])

  @doc false
  # Memory of the engine that `owner` is or lives on ran short, when so much was held.
  @spec memory(atom, reference | nil, map, map) :: :ok
  def memory(event, owner, held, metadata) do
    if on?() do
      device = if owner, do: Native.device(owner)
      emit([:memory, event], held, Map.put(metadata, :device, device))
    end

    :ok
  end

  @doc false
  # What is held now, for an event to come; nothing where nobody is told.
  @spec held(reference | nil) :: map
  def held(owner) do
    with true <- owner != nil and on?(), {:ok, held} <- Native.memory_stats(owner) do
      held
    else
      _ -> %{}
    end
  end

  @doc false
  # :ok or why not, of what the NIF or the library's functions answer.
  def reason({:error, %Error{reason: reason}}), do: reason
  def reason({:error, reason, _message}), do: reason
  def reason(_), do: :ok

  defp ok?(result), do: reason(result) == :ok
end
