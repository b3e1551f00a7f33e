defmodule Nx.Vulkan.Once do
  @moduledoc false
  # What is said once in the life of a VM, or of an engine: a table that every process reads and writes.

  @table __MODULE__

  @doc "Makes the table, which lives as long as the calling process."
  @spec create() :: :ok
  def create do
    :ets.new(@table, [:named_table, :public, read_concurrency: true])
    :ok
  end

  @doc "Whether this is the first time that `key` comes up, of an engine or in this VM."
  @spec first?(term, reference | nil) :: boolean
  def first?(key, engine \\ nil) do
    # Looking costs less than trying.
    not :ets.member(@table, {key, engine}) and :ets.insert_new(@table, {{key, engine}})
  end

  @doc "Forgets what was said of an engine."
  @spec forget(reference) :: :ok
  def forget(engine) do
    :ets.match_delete(@table, {{:_, engine}})
    :ok
  end
end
