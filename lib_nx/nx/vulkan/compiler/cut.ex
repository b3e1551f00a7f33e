defmodule Nx.Vulkan.Compiler.Cut do
  @moduledoc false
  # A scope that calls the host, cut into parts that do not. The order of the calls is that of a walk
  # from the results to what they need, from left to right, that visits each expression once: the order
  # in which Nx.Defn.Evaluator meets them. What is visited between two calls whose results others need
  # is one part.
  #
  # A branch of a `cond` that calls the host is a cut of its own. It sees what the scopes around it have
  # made on the way there, and makes for itself whatever else it needs. What these scopes need elsewhere,
  # too, is made before the `cond`, unless it calls the host: such a call is made by whoever comes first,
  # which only the call of the definition shows.

  alias Nx.Tensor, as: T
  alias Nx.Defn.{Composite, Expr, Tree}
  alias Nx.Vulkan.Compiler.Calls

  # ids: of the expressions that belong to this scope or one around it. made: by the id of an
  # expression, the number of the part that makes its value, :given by a call or :outer by a scope
  # around. free: ids of what leads to no call. inside: ids met in branches that are not cut. parts: by
  # their number, the present one last. needs: expressions of the scopes around that have to keep
  # their values.
  @enforce_keys [:hooks, :ids]
  defstruct [:hooks, :ids, made: %{}, free: %{}, inside: %{}, parts: %{}, needs: %{}]

  @typedoc "What the host does; all but `:unless` once for each evaluation of the scope it belongs to."
  @type step ::
          {:hook, Nx.Tensor.t(), fun, Nx.Container.t()}
          | {:runtime_call, Nx.Tensor.t()}
          | {:evaluate, Nx.Tensor.t()}
          | {:while, Nx.Tensor.t(), t}
          | {:cond, Nx.Tensor.t(), [t]}
          | {:unless, Nx.Tensor.t()}

  @typedoc "Keeps the values of `roots`, and has those of `uses`. The steps come after it."
  @type part :: %{roots: [Nx.Tensor.t()], uses: [Nx.Tensor.t()], steps: [step]}

  @typedoc """
  The last part has the results. Rounds of a loop and clauses of a `cond` end at `{:unless, predicate}`
  where that is false.
  """
  @type t :: %{parts: [part], results: [Nx.Tensor.t()]}

  # Have values wherever they are needed.
  @anywhere [:parameter, :constant, :tensor, :fun, :iota, :eye]

  @doc "The cut of a definition."
  @spec definition(Nx.Container.t(), map) :: t
  def definition(expr, hooks) do
    {cut, _} = expr |> Tree.scope_ids() |> scope(hooks) |> visit_all(expr) |> finish(expr)
    cut
  end

  defp scope(ids, hooks), do: %__MODULE__{hooks: hooks, ids: ids, parts: %{0 => part()}}
  defp part, do: %{roots: %{}, uses: %{}, steps: []}

  # ---- The walk ----

  defp visit_all(s, expr), do: Composite.reduce(expr, s, &visit(&2, &1))

  defp visit(s, %T{data: %Expr{op: op}}) when op in @anywhere, do: s

  defp visit(s, %T{data: %Expr{id: id, op: op}} = expr),
    do: if(is_map_key(s.made, id), do: s, else: enter(s, op, expr))

  defp enter(s, op, %T{data: %Expr{args: [data, callback, _, _]}} = expr)
       when op in [:hook, :io_call] do
    s |> visit_all(data) |> listen(callback, data, expr) |> make(expr, [data])
  end

  defp enter(s, :runtime_call, %T{data: %Expr{args: [data | _]}} = expr),
    do: s |> visit_all(data) |> call(expr, data, {:runtime_call, expr})

  defp enter(s, :cond, %T{data: %Expr{args: [[{first, _} | _] = clauses, last]}} = expr) do
    s = visit(s, first)

    case free(s, clauses ++ [last]) do
      nil ->
        branches(s, expr)

      free ->
        predicates = Enum.map(clauses, &elem(&1, 0))
        s = Enum.reduce(predicates, %{s | free: free}, &visit(&2, &1))
        bodies = Enum.map(clauses, &elem(&1, 1)) ++ [last]
        bodies |> Enum.reduce(s, &inside_all(&2, &1)) |> make(expr, predicates)
    end
  end

  defp enter(s, op, expr) do
    args = args(expr)
    s = Enum.reduce(args, s, &visit(&2, &1))

    case Calls.known?(op) && free(s, Calls.inner(expr)) do
      %{} = free -> make(%{s | free: free}, expr, args)
      nil when op == :while -> call(s, expr, List.to_tuple(args), {:while, expr, round(s, expr)})
      _ -> call(s, expr, List.to_tuple(args), {:evaluate, expr})
    end
  end

  defp free(s, exprs), do: Calls.free(exprs, s.hooks, s.made, s.free)

  # What an expression needs of its scope.
  defp args(expr) do
    {_, args} = Tree.apply_args(expr, :scope, [], &{&1, [&1 | &2]})
    args |> Enum.reject(&(&1.data.op == :fun)) |> Enum.reverse()
  end

  defp listen(s, {:token_hook, value, callback}, _data, expr),
    do: s |> visit_all(value) |> listen(callback, value, expr)

  defp listen(s, callback, data, expr) do
    case Calls.listener(callback, s.hooks) do
      nil -> s
      fun -> s |> need_all(data) |> step({:hook, expr, fun, data})
    end
  end

  # Branches that are not cut: what they need of the scopes around them is made before the `cond`.
  defp inside_all(s, expr), do: Composite.reduce(expr, s, &inside(&2, &1))

  defp inside(s, %T{data: %Expr{op: op}}) when op in @anywhere, do: s

  defp inside(s, %T{data: %Expr{id: id}} = expr) do
    cond do
      is_map_key(s.inside, id) -> s
      is_map_key(s.ids, id) or is_map_key(s.made, id) -> s |> visit(expr) |> edge(expr)
      true -> expr |> args() |> Enum.reduce(put_in(s.inside[id], true), &inside(&2, &1))
    end
  end

  # ---- Loops and branches that call ----

  defp round(s, %T{data: %Expr{args: [_, _, condition, body]}}) do
    {round, _} =
      {condition, body} |> Tree.scope_ids() |> scope(s.hooks) |> guarded(condition, body)

    round
  end

  # A condition, and what follows where it holds.
  defp guarded(s, condition, body) do
    s = s |> visit(condition) |> need(condition) |> step({:unless, condition}) |> next()
    s |> visit_all(body) |> finish(body)
  end

  defp branches(s, %T{data: %Expr{args: [clauses, last]}} = expr) do
    {s, _} = Composite.reduce(List.to_tuple(clauses ++ [last]), {s, %{}}, &share/2)

    {cuts, needs} =
      Enum.map(clauses ++ [{last}], fn
        {condition, body} = clause -> s |> branch(clause) |> guarded(condition, body)
        {last} -> s |> branch(last) |> visit_all(last) |> finish(last)
      end)
      |> Enum.unzip()

    s = needs |> Enum.concat() |> Enum.reduce(s, &need(&2, &1))
    call(s, expr, {}, {:cond, expr, cuts})
  end

  defp branch(s, expr) do
    made = Map.new(s.made, fn {id, _} -> {id, :outer} end)
    %{scope(Tree.scope_ids(expr, s.ids), s.hooks) | made: made, free: s.free}
  end

  defp share(%T{data: %Expr{op: op}}, acc) when op in @anywhere, do: acc

  defp share(%T{data: %Expr{id: id}} = expr, {s, seen}) do
    free = is_map_key(s.ids, id) && free(s, [expr])

    cond do
      is_map_key(s.made, id) or is_map_key(seen, id) -> {s, seen}
      free -> {visit(%{s | free: free}, expr), seen}
      true -> expr |> args() |> Enum.reduce({s, Map.put(seen, id, true)}, &share/2)
    end
  end

  # ---- Parts ----

  defp present(s), do: map_size(s.parts) - 1
  defp next(s), do: put_in(s.parts[map_size(s.parts)], part())
  defp step(s, step), do: update_in(s.parts[present(s)].steps, &[step | &1])

  # The value of `expr` comes from the host, which needs that of `data`.
  defp call(s, %T{data: %Expr{id: id}}, data, step) do
    s = s |> need_all(data) |> step(step) |> next()
    put_in(s.made[id], :given)
  end

  # The present part makes the value of `expr`.
  defp make(s, %T{data: %Expr{id: id}}, args) do
    s = args |> List.to_tuple() |> Composite.reduce(s, &edge(&2, &1))
    put_in(s.made[id], present(s))
  end

  # The present part needs a value.
  defp edge(s, %T{data: %Expr{op: op}}) when op in @anywhere, do: s

  defp edge(s, %T{data: %Expr{id: id}} = expr) do
    n = present(s)

    case s.made do
      %{^id => ^n} -> s
      %{^id => _} -> s |> keep([:parts, n, :uses], expr) |> need(expr)
    end
  end

  # The host, or another part than that which makes it, needs a value.
  defp need_all(s, container), do: Composite.reduce(container, s, &need(&2, &1))

  defp need(s, %T{data: %Expr{id: id}} = expr) do
    case s.made do
      %{^id => :given} -> s
      %{^id => :outer} -> keep(s, [:needs], expr)
      %{^id => n} -> keep(s, [:parts, n, :roots], expr)
      %{} -> keep(s, [:parts, present(s), :roots], expr)
    end
  end

  # Expressions by their ids, in the order in which they came.
  defp keep(s, path, %T{data: %Expr{id: id}} = expr) do
    path = Enum.map(path, &if(is_atom(&1), do: Access.key!(&1), else: &1))
    update_in(s, path, &Map.put_new(&1, id, {map_size(&1), expr}))
  end

  defp kept(exprs),
    do: exprs |> Map.values() |> Enum.sort_by(&elem(&1, 0)) |> Enum.map(&elem(&1, 1))

  defp finish(s, results) do
    s = Composite.reduce(results, s, &edge(&2, &1))

    parts =
      for n <- 0..present(s) do
        %{roots: roots, uses: uses, steps: steps} = s.parts[n]
        %{roots: kept(roots), uses: kept(uses), steps: Enum.reverse(steps)}
      end

    {%{parts: parts, results: Composite.flatten_list([results])}, kept(s.needs)}
  end
end
