defmodule Nx.Vulkan.Programs do
  @moduledoc false
  # What definitions were compiled to, by a key: a table that every process reads and writes, owned by
  # this process. It is bounded; what was used longest ago goes first.

  use GenServer

  @table __MODULE__
  @capacity 512

  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc """
  The program under `key`, or else the one that `make` answers, which is kept as long as `owner`, an
  engine, is open. Processes that ask for the same new program at once each make one.
  """
  @spec fetch(term, reference, (() -> program)) :: program when program: term
  def fetch(key, owner, make) do
    case lookup(key) do
      {:ok, program} ->
        program

      :error ->
        program = make.()
        used = :atomics.new(1, [])
        touch(used)
        :ets.insert(@table, {key, {program, used}, owner})
        if size() > @capacity, do: evict()
        program
    end
  end

  @doc "Forgets the programs of an engine."
  @spec forget(reference) :: :ok
  def forget(owner) do
    :ets.match_delete(@table, {:_, :_, owner})
    :ok
  end

  @doc "How many programs there are; at most `capacity/0`."
  @spec size() :: non_neg_integer
  def size, do: :ets.info(@table, :size)

  @spec capacity() :: pos_integer
  def capacity, do: @capacity

  # Copies the program alone, not the key, which may be large.
  defp lookup(key) do
    {program, used} = :ets.lookup_element(@table, key, 2)
    touch(used)
    {:ok, program}
  rescue
    ArgumentError -> :error
  end

  defp touch(used), do: :atomics.put(used, 1, System.monotonic_time())

  defp evict do
    case :ets.select(@table, [{{:_, {:_, :"$1"}, :_}, [], [:"$1"]}]) do
      [] ->
        :ok

      used ->
        oldest = Enum.min_by(used, &:atomics.get(&1, 1))
        :ets.match_delete(@table, {:_, {:_, oldest}, :_})
    end
  end

  @impl true
  def init(_) do
    :ets.new(@table, [:named_table, :public, read_concurrency: true])
    {:ok, nil}
  end
end
