Code.ensure_loaded!(Nx)

if function_exported?(Nx, :donatable, 1) do
  defmodule Nx.Vulkan.Compiler.DonationTest do
    use ExUnit.Case, async: true
    @moduletag :device

    defp jit(fun), do: Nx.Defn.jit(fun, compiler: Nx.Vulkan)
    defp tensor(list), do: Nx.reverse(Nx.tensor(Enum.reverse(list), backend: Nx.Vulkan.Backend))

    defp donated(t) do
      assert_raise Nx.Vulkan.Error, ~r/deallocated, donated or transferred/, fn ->
        Nx.to_flat_list(t)
      end

      assert_raise Nx.Vulkan.Error, ~r/donated/, fn -> Nx.to_binary(Nx.add(t, 1)) end
      assert inspect(t) =~ "Deallocated due to buffer donation"
      assert Nx.backend_deallocate(t) == :already_deallocated
    end

    test "arguments that are marked are given up by the call, others are not" do
      x = Nx.donatable(tensor([1, 2]))
      y = tensor([3, 4])
      sum = jit(&Nx.add/2).(x, y)
      donated(x)
      assert Nx.to_flat_list(y) == [3, 4]
      assert Nx.to_flat_list(sum) == [4, 6]
      # With the same program.
      assert jit(&Nx.add/2).(y, y) |> Nx.to_flat_list() == [6, 8]
      assert Nx.to_flat_list(y) == [3, 4]
    end

    test "in containers, those that are marked" do
      {a, b} = {Nx.donatable(tensor([1, 2])), tensor([3, 4])}
      fun = jit(fn %{a: a, b: b} -> {Nx.multiply(a, 2), Nx.sum(b)} end)
      assert {twice, sum} = fun.(%{a: a, b: b})
      donated(a)
      assert {Nx.to_flat_list(twice), Nx.to_number(sum)} == {[2, 4], 7}
      assert Nx.to_flat_list(b) == [3, 4]
    end

    test "results are not marked, also where they are the argument itself" do
      x = Nx.donatable(tensor([1, 2]))
      {same, sum} = jit(&{&1, Nx.sum(&1)}).(x)
      donated(x)
      refute Nx.donatable?(same)
      refute Nx.donatable?(sum)
      assert jit(&Nx.negate/1).(same) |> Nx.to_flat_list() == [-1, -2]
      assert Nx.to_flat_list(same) == [1, 2]
    end

    test "numbers, tensors of other backends and arguments that nothing needs stay" do
      number = Nx.donatable(Nx.tensor(2, backend: Nx.BinaryBackend))
      unused = Nx.donatable(tensor([1]))
      assert jit(fn n, _ -> Nx.add(n, 1) end).(number, unused) |> Nx.to_number() == 3
      assert Nx.to_number(number) == 2
      assert Nx.to_flat_list(unused) == [1]
    end

    test "of compiled definitions, and of those that call the host" do
      template = Nx.donatable(Nx.template({2}, :s32))
      fun = Nx.Defn.compile(&Nx.multiply(&1, 3), [template], compiler: Nx.Vulkan)
      x = Nx.donatable(tensor([1, 2]))
      assert Nx.to_flat_list(fun.(x)) == [3, 6]
      donated(x)

      me = self()

      seen = fn t ->
        send(me, {:seen, Nx.donatable?(t), Nx.to_flat_list(t)})
        t
      end

      fun = fn x -> Nx.runtime_call(x, x, [], fn x, [] -> seen.(x) end) |> Nx.add(x) end
      x = Nx.donatable(tensor([1, 2]))
      assert jit(fun).(x) |> Nx.to_flat_list() == [2, 4]
      donated(x)
      assert_received {:seen, false, [1, 2]}
    end
  end
else
  IO.puts(:stderr, """
  SKIPPED: tests of donatable arguments (Nx 0.13 has none; NXV_NX may name the sources of Nx's main branch)\
  """)
end
