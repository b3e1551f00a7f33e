defmodule Nx.Vulkan.Compiler.CutTest do
  use ExUnit.Case, async: true

  import Nx.Defn

  alias Nx.Vulkan.Compiler.Cut

  defp cut(fun, args) do
    Nx.Defn.debug_expr_apply(fun, args) |> Cut.definition(%{round: &Function.identity/1})
  end

  defp ops(exprs), do: Enum.map(exprs, & &1.data.op)
  def on_host(t, []), do: t

  defn between(x) do
    y = Nx.sin(x)
    z = Nx.runtime_call(x, y, [], &on_host/2)
    z + Nx.cos(y)
  end

  test "keeps in a part what the host and later parts need" do
    assert %{parts: [first, last], results: [%{data: %{op: :add}}]} = cut(&between/1, [1.0])
    assert ops(first.roots) == [:sin]
    assert [{:runtime_call, _}] = first.steps
    assert Enum.sort(ops(last.uses)) == [:runtime_call, :sin]
    assert {last.roots, last.steps} == {[], []}
  end

  defn shared(x, y) do
    sorted = Nx.sort(x)
    # Of one branch alone.
    mean = Nx.mean(y)
    z = if Nx.sum(x) > 0, do: hook(sorted + mean, :round), else: y
    z + sorted
  end

  test "makes what a branch shares with its surroundings before it" do
    x = Nx.tensor([1.0, 2.0])
    assert %{parts: [first, last]} = cut(&shared/2, [x, x])
    assert Enum.sort(ops(first.roots)) == [:greater, :sort]
    assert [{:cond, _, [clause, otherwise]}] = first.steps
    assert [%{uses: [], roots: [], steps: [unless: _]}, taken] = clause.parts
    assert {ops(taken.uses), ops(taken.roots)} == {[:sort], [:add]}
    assert [%{uses: [], roots: [], steps: []}] = otherwise.parts
    assert :sort in ops(last.uses)
  end

  defn quiet(x) do
    {_, x} =
      while {i = 0, x}, i < 3 do
        {i + 1, if(Nx.sum(x) > 3, do: hook(x, :nobody), else: x * 2)}
      end

    hook(x, :round)
  end

  test "leaves loops and branches whole where nobody listens" do
    assert %{parts: [%{steps: [{:hook, _, _, _}]} = part]} = cut(&quiet/1, [Nx.tensor([1, 2])])
    assert ops(part.roots) == [:elem]
  end
end
