Code.require_file("../../../random_definition.exs", __DIR__)

defmodule Nx.Vulkan.Compiler.RandomTest do
  # Random definitions with nested loops and branches: compiled, and evaluated one operation at a time on
  # the same device, they have the same bits. NXV_DEFINITIONS: how many; NXV_SEED: which.
  use ExUnit.Case, async: true
  @moduletag :device
  @moduletag timeout: :infinity

  alias Nx.Vulkan.RandomDefinition, as: Definition

  test "compiled definitions have the bits of evaluated ones" do
    seed = String.to_integer(System.get_env("NXV_SEED", "1"))
    count = String.to_integer(System.get_env("NXV_DEFINITIONS", "60"))

    for i <- seed..(seed + count - 1) do
      definition = Definition.draw(i)
      arguments = for _ <- 1..2, do: Definition.arguments(definition)

      if wrong = Enum.find_value(arguments, &difference(definition, &1)) do
        failing = fn d -> Enum.any?(arguments, &difference(d, &1)) end
        small = Definition.smallest(definition, failing)

        flunk("""
        NXV_SEED=#{i} NXV_DEFINITIONS=1: #{wrong}
        #{inspect(definition, limit: :infinity, pretty: true)}
        and so does
        #{inspect(small, limit: :infinity, pretty: true)}
        with #{inspect(arguments, limit: :infinity)}
        """)
      end
    end
  end

  # What is wrong, nil where nothing is.
  defp difference(definition, arguments) do
    fun = fn a -> Definition.run(definition, Tuple.to_list(a)) end

    [ours, theirs] =
      for compiler <- [Nx.Vulkan, Nx.Defn.Evaluator] do
        try do
          fun
          |> Nx.Defn.jit_apply([List.to_tuple(arguments)], compiler: compiler)
          |> then(&Nx.Defn.Composite.flatten_list([&1]))
          |> Enum.map(&{&1.type, &1.shape, &1.vectorized_axes, bits(&1)})
        rescue
          error -> Exception.message(error)
        end
      end

    cond do
      is_binary(theirs) and is_binary(ours) -> raise "no definition at all: #{theirs}"
      ours != theirs -> "compiled #{inspect(ours)}, evaluated #{inspect(theirs)}"
      true -> nil
    end
  end

  # Of numbers; which NaN it is does not count.
  defp bits(%{type: {:c, _}} = x), do: {bits(Nx.real(x)), bits(Nx.imag(x))}

  defp bits(x) do
    x = x |> Nx.devectorize() |> Nx.backend_copy(Nx.BinaryBackend)
    if Nx.Type.float?(x.type), do: one_nan(x), else: Nx.to_binary(x)
  end

  defp one_nan(x) do
    if x |> Nx.is_nan() |> Nx.any() |> Nx.to_number() == 1 do
      x |> Nx.is_nan() |> Nx.select(Nx.Constants.nan(x.type, backend: Nx.BinaryBackend), x)
    else
      x
    end
    |> Nx.to_binary()
  end
end
