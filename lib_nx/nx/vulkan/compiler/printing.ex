defmodule Nx.Vulkan.Compiler.Printing do
  @moduledoc false
  # Whether a function prints, as definitions do with `print_expr/2` while they are traced. The group
  # leader of the process is then this one, which hands requests on and counts them. It lives as long as
  # the process and the leader that it stands for: processes that the function starts have it, too.

  use GenServer

  @doc "What `fun` answers, and whether it printed."
  @spec watch((() -> result)) :: {result, boolean} when result: term
  def watch(fun) do
    leader = Process.group_leader()
    listener = listener(leader)
    before = GenServer.call(listener, :heard)
    Process.group_leader(self(), listener)

    try do
      result = fun.()
      {result, GenServer.call(listener, :heard) > before}
    after
      Process.group_leader(self(), leader)
    end
  end

  # Within a function that is being watched, the leader is the listener.
  defp listener(leader) do
    with {known, listener} when leader in [known, listener] <- Process.get(__MODULE__),
         true <- Process.alive?(listener) do
      listener
    else
      _ ->
        {:ok, listener} = GenServer.start(__MODULE__, {self(), leader})
        Process.put(__MODULE__, {leader, listener})
        listener
    end
  end

  @impl true
  def init({process, leader}) do
    Process.monitor(process)
    Process.monitor(leader)
    {:ok, {leader, 0}}
  end

  @impl true
  def handle_call(:heard, _from, {_, heard} = state), do: {:reply, heard, state}

  @impl true
  def handle_info({:DOWN, _, _, _, _}, state), do: {:stop, :normal, state}

  def handle_info(request, {leader, heard}) do
    send(leader, request)
    {:noreply, {leader, heard + 1}}
  end
end
