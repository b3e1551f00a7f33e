defmodule Nx.Vulkan.Containers.Pair do
  @moduledoc false
  @derive {Nx.Container, containers: [:a, :b], keep: [:tag]}
  defstruct [:a, :b, :tag]
end

defmodule Nx.Vulkan.Containers.Lazy do
  @moduledoc false
  # A tuple of `count` tensors that are made when they are asked for, which the process is told.
  defstruct [:count]

  defimpl Nx.LazyContainer do
    def traverse(%{count: count}, acc, fun) do
      {tensors, acc} =
        Enum.map_reduce(1..count, acc, fn i, acc ->
          make = fn ->
            send(self(), {:asked, i})
            Nx.tensor([i, i + 1])
          end

          fun.(Nx.template({2}, :s32), make, acc)
        end)

      {List.to_tuple(tensors), acc}
    end
  end
end
