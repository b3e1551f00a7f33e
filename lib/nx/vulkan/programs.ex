defmodule Nx.Vulkan.Programs do
  @moduledoc false
  # What definitions were compiled to, by a key: a table that every process reads and writes. It is
  # bounded; what was used longest ago goes first.
  #
  # Keys hold functions, and so whatever these close over. Each process keeps the last few keys that it
  # used as they are: equal terms are mostly the same terms then, and compared in no time. The table
  # hashes and copies keys, which lose what their parts share, so that it takes only those of moderate
  # size.

  @table __MODULE__
  @capacity 512
  @recent 8
  # Terms in a key.
  @moderate 200_000

  @doc "Makes the table, which lives as long as the calling process."
  @spec create() :: :ok
  def create do
    :ets.new(@table, [:named_table, :public, read_concurrency: true])
    :ok
  end

  @doc """
  The program under `key`, or else the one that `make` answers, which is kept as long as `owner`, an
  engine, is open. Processes that ask for the same new program at once each make one.
  """
  @spec fetch(term, reference, (() -> program)) :: program when program: term
  def fetch(key, owner, make) do
    case Process.get(@table, []) do
      [{^key, entry} | _] ->
        touch(entry)

      recent ->
        {same, others} = Enum.split_with(recent, fn {other, _} -> other === key end)

        entry =
          case same do
            [{_, entry}] -> entry
            [] -> shared(key, owner, make)
          end

        Process.put(@table, [{key, entry} | Enum.take(others, @recent - 1)])
        touch(entry)
    end
  end

  defp touch({program, used}) do
    :atomics.put(used, 1, System.monotonic_time())
    program
  end

  defp shared(key, owner, make) do
    cond do
      not moderate?(key) -> {make.(), :atomics.new(1, [])}
      entry = lookup(key) -> entry
      true -> insert(key, owner, {make.(), :atomics.new(1, [])})
    end
  end

  # Copies the entry alone, not the key.
  defp lookup(key) do
    :ets.lookup_element(@table, key, 2)
  rescue
    ArgumentError -> nil
  end

  defp insert(key, owner, entry) do
    touch(entry)
    :ets.insert(@table, {key, entry, owner})
    if size() > @capacity, do: evict()
    entry
  end

  defp evict do
    case :ets.select(@table, [{{:_, {:_, :"$1"}, :_}, [], [:"$1"]}]) do
      [] ->
        :ok

      used ->
        oldest = Enum.min_by(used, &:atomics.get(&1, 1))
        :ets.match_delete(@table, {:_, {:_, oldest}, :_})
    end
  end

  @doc "Forgets the programs of an engine."
  @spec forget(reference) :: :ok
  def forget(owner) do
    :ets.match_delete(@table, {:_, :_, owner})
    :ok
  end

  @doc "How many programs processes share; at most `capacity/0`."
  @spec size() :: non_neg_integer
  def size, do: :ets.info(@table, :size)

  @spec capacity() :: pos_integer
  def capacity, do: @capacity

  @doc "Whether a term has few enough parts, each counted as often as it is referred to."
  @spec moderate?(term) :: boolean
  def moderate?(term), do: count([term], @moderate) > 0

  # What is left of `budget` after the terms.
  defp count(_, budget) when budget <= 0, do: 0
  defp count([], budget), do: budget
  defp count([term | rest], budget), do: count(rest, count_term(term, budget - 1))
  defp count(tail, budget), do: count_term(tail, budget - 1)

  defp count_term(list, budget) when is_list(list), do: count(list, budget)
  defp count_term(tuple, budget) when is_tuple(tuple), do: count(Tuple.to_list(tuple), budget)
  defp count_term(%{} = map, budget), do: map |> :maps.to_list() |> count(budget)

  defp count_term(fun, budget) when is_function(fun) do
    {:env, env} = :erlang.fun_info(fun, :env)
    count(env, budget)
  end

  defp count_term(_, budget), do: budget
end
