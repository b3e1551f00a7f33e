defmodule Nx.Vulkan.Memory do
  @moduledoc false
  # Device memory held by garbage. A tensor is a few words to the BEAM, whatever it holds on the
  # device, so the BEAM does not collect in time by itself. Destructors run when a process yields,
  # not inside a collection: hence each collection is followed by a yield.

  alias Nx.Vulkan.{Device, Native, Telemetry}

  @doc """
  After a constructor's hint: collects the caller, as little as is enough for the engine of a tensor
  that it made, and lets an engine that is behind catch up.
  """
  @spec relieve(reference) :: :ok
  def relieve(tensor) do
    if Native.pressure(tensor) do
      held = Telemetry.held(tensor)
      collect(:minor)
      major? = Native.pressure(tensor)
      if major?, do: collect(:major)
      Native.pressure_relieved(tensor)
      collection = if major?, do: :major, else: :minor
      Telemetry.memory(:pressure, tensor, held, %{collection: collection})
    end

    if Native.behind?(tensor), do: Process.sleep(1)
    :ok
  end

  @doc """
  Calls `fun`, and when device memory is exhausted collects every process whose tensors are alive
  and calls it once more. `owner`, an engine or a tensor, tells whose memory `fun` needs; nil that it
  may be any engine's.
  """
  @spec retry(reference | nil, (() -> result)) :: result when result: term
  def retry(owner, fun) do
    case fun.() do
      {:error, :alloc_failed, _message} ->
        held = Telemetry.held(owner)
        if owner, do: collect_makers([owner]), else: collect_makers(Device.engines())
        result = fun.()
        Telemetry.memory(:exhausted, owner, held, %{result: Telemetry.reason(result)})
        result

      result ->
        result
    end
  end

  defp collect(type) do
    :erlang.garbage_collect(self(), type: type)
    :erlang.yield()
  end

  # Requests to idle processes are answered within a millisecond, and then their destructors run.
  defp collect_makers(engines) do
    engines
    |> Enum.flat_map(&Native.makers/1)
    |> Enum.uniq()
    |> List.delete(self())
    |> collect_others()

    collect(:major)
    Process.sleep(1)
    Enum.each(engines, &Native.pressure_relieved/1)
  end

  @patience 1_000

  # Answers to the caller would be messages among its own, and come late from processes that are slow:
  # a process of their own receives them.
  defp collect_others([]), do: :ok

  defp collect_others(pids) do
    # Made here, so that the receive skips messages that were queued before it.
    monitor = Process.monitor(spawn(fn -> request_collections(pids) end))
    receive do: ({:DOWN, ^monitor, :process, _pid, _reason} -> :ok)
  end

  defp request_collections(pids) do
    Process.send_after(self(), :late, @patience)
    for pid <- pids, do: :erlang.garbage_collect(pid, async: pid)
    await_collections(length(pids))
  end

  defp await_collections(0), do: :ok

  defp await_collections(n) do
    receive do
      {:garbage_collect, _pid, _result} -> await_collections(n - 1)
      :late -> :ok
    end
  end
end
