defmodule Nx.Vulkan.Compiler.ProfileTest do
  # One profile of a device at a time.
  use ExUnit.Case, async: false
  @moduletag :device

  import Nx.Defn

  alias Nx.Vulkan, as: V

  defn(scaled(x, w), do: Nx.exp(Nx.dot(x, w)) |> Nx.sum(axes: [1]))

  setup do
    path = Path.join(System.tmp_dir!(), "nxv-#{System.unique_integer([:positive])}.json")
    on_exit(fn -> File.rm(path) end)
    args = [Nx.iota({8, 16}, type: :f32), Nx.broadcast(0.01, {16, 4})]
    # What is pending is computed with the first call, and belongs to no definition.
    Enum.each(args, &Nx.to_binary/1)
    %{path: path, args: args}
  end

  defp timestamps?, do: V.describe!() =~ ~r/timestamps +yes/

  # Of Elixir 1.18 on.
  defp decode(path), do: path |> File.read!() |> then(&apply(JSON, :decode!, [&1]))

  test "measures the calls of a definition", %{args: args} do
    assert {:ok, text} = V.profile(&scaled/2, args, runs: 3)
    assert text =~ ~r/^Nx.Vulkan.Compiler.ProfileTest.scaled\/2 \(test_nx\/.*profile_test.exs/
    assert text =~ ~r/  schedule +\d+\.\d+ /
    assert text =~ ~r/  build +\d+\.\d+ /
    assert text =~ ~r/\b3 .* step 1 matmul: dot -> f32\{8, 4\}  \[.*scaled\/2\]/
  end

  @tag skip: if(not Code.ensure_loaded?(JSON), do: "needs JSON")
  test "writes a trace whose times add up", %{args: args, path: path} do
    V.profile!(&scaled/2, args, runs: 2, trace: path)
    %{"traceEvents" => events, "otherData" => other} = decode(path)
    events = Enum.filter(events, &(&1["ph"] == "X"))
    assert Enum.all?(events, &(&1["dur"] >= 0 and &1["ts"] >= 0))

    of = fn thread -> Enum.filter(events, &(&1["tid"] == thread)) end
    assert Enum.map(of.(1), & &1["name"]) == ["build", "call", "wait"]
    assert "record" in Enum.map(of.(2), & &1["name"])

    if timestamps?() do
      # Arguments may be pending: they are computed by steps of no definition.
      steps = Enum.filter(of.(3), &((&1["args"]["source"] || "") =~ "scaled/2"))
      assert length(steps) >= 4
      assert Enum.all?(steps, &(&1["dur"] > 0 and &1["args"]["step"] > 0))
      assert Enum.any?(steps, &(&1["args"]["flops"] == 2 * 8 * 16 * 4))
      assert steps |> Enum.map(& &1["dur"]) |> Enum.sum() <= other["wall_us"]
    end
  end

  test "measures functions", %{path: path} do
    a = V.tensor!([1.0, 2.0])
    text = V.profile!(fn -> a |> V.sin!() |> V.to_list!() end, trace: path)
    assert text =~ "step 1 pointwise: sin -> f32{2}\n"
    assert File.exists?(path)
  end

  test "ends with what it measures", %{args: args} do
    assert_raise RuntimeError, "stop", fn -> V.profile(fn -> raise "stop" end) end

    assert {:error, :invalid_argument} =
             V.profile(fn -> send(self(), V.profile(fn -> 1 end)) end)
             |> then(fn {:ok, _} -> receive(do: (answer -> answer)) end)

    assert {:ok, _} = V.profile(&scaled/2, args)
  end

  test "refuses what it does not know", %{args: args} do
    assert V.profile(&scaled/2, args, runs: 0) == {:error, :invalid_argument}
    assert V.profile(&scaled/2, args, colour: 1) == {:error, :invalid_argument}
    assert V.profile(&scaled/2, [1]) == {:error, :invalid_argument}
    assert V.profile(fn -> 1 end, trace: 7) == {:error, :invalid_argument}
    assert V.profile(fn -> 1 end, trace: "/nowhere/at/all") == {:error, :invalid_argument}
    assert V.profile(1, []) == {:error, :invalid_argument}
  end
end
