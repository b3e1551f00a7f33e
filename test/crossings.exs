defmodule Nx.Vulkan.Crossings do
  # The calls of the NIF that a function makes, but for those that see to memory when it is short, and for
  # the one by which Nx.Vulkan.Telemetry looks after kernels when a read took long.

  alias Nx.Vulkan.Native

  @aside [:pressure, :pressure_relieved, :behind?, :makers, :counters]

  @doc "The names of the functions of `Nx.Vulkan.Native` that `fun` calls in this process, in order."
  def of(fun) do
    :erlang.trace_pattern({Native, :_, :_}, true, [:local])
    {collector, monitor} = spawn_monitor(fn -> collect([]) end)
    :erlang.trace(self(), true, [:call, {:tracer, collector}])

    try do
      fun.()
    after
      :erlang.trace(self(), false, [:call])
    end

    # Trace messages of this process have arrived when this one has.
    delivered = :erlang.trace_delivered(self())
    receive do: ({:trace_delivered, _, ^delivered} -> send(collector, :done))
    receive do: ({:DOWN, ^monitor, _, _, {:calls, calls}} -> calls)
  end

  defp collect(calls) do
    receive do
      {:trace, _, :call, {Native, name, _}} when name in @aside -> collect(calls)
      {:trace, _, :call, {Native, name, _}} -> collect([name | calls])
      :done -> exit({:calls, Enum.reverse(calls)})
    end
  end
end
