defmodule Nx.Vulkan.Compiler.Calls do
  @moduledoc false
  # Which expressions call functions of the host: hooks that somebody listens to, functions that compute,
  # and what this compiler does not know.

  alias Nx.Tensor, as: T
  alias Nx.Defn.{Composite, Expr, Tree}
  alias Nx.Vulkan.Backend.Block

  @hooks [:hook, :io_call]
  @structure [:parameter, :constant, :tensor, :metadata, :elem, :fun, :while, :cond, :block]
  @operations Nx.Backend.behaviour_info(:callbacks) |> Keyword.keys() |> Enum.uniq()
  @known @structure ++ @operations

  @doc "Whether an operation is one of the backend's, and no composition."
  @spec operation?(atom) :: boolean
  def operation?(op), do: op in @operations and op != :block

  @doc "The function that listens to a hook, or nil."
  @spec listener(tuple, map) :: fun | nil
  def listener({:token_hook, _value, callback}, hooks), do: listener(callback, hooks)
  def listener({:named, name, callback}, hooks), do: hooks[name] || callback
  def listener({:fn, fun}, _hooks), do: fun

  @doc "Whether the compiler knows an operation of expressions that is no call of the host."
  @spec known?(atom) :: boolean
  def known?(op), do: op in @known

  @doc """
  What an expression evaluates elsewhere than where it stands itself: rounds of a loop, the composition
  that a block stands for, the function of a reduction.
  """
  @spec inner(Nx.Tensor.t()) :: [Nx.Container.t()]
  def inner(%T{data: %Expr{op: :while, args: [_, _, condition, body]}}), do: [condition, body]

  def inner(%T{data: %Expr{op: :block, args: [struct, _, default, _]}}),
    do: if(Block.native?(struct), do: [], else: [default])

  def inner(%T{data: %Expr{args: args}}),
    do: Enum.filter(args, &match?(%T{data: %Expr{op: :fun}}, &1))

  @doc """
  Whether the evaluation of expressions calls the host, when those whose ids are keys of `done` have
  their values. The ids of expressions that are known not to lead to a call are keys of `free`: nil if
  there is a call, else those with the ones that were visited.
  """
  @spec free([Nx.Container.t()], map, map, map) :: map | nil
  def free(exprs, hooks, done, free) do
    Enum.reduce(exprs, free, fn expr, free ->
      Composite.reduce(expr, free, &visit(&1, &2, hooks, done))
    end)
  catch
    {__MODULE__, :call} -> nil
  end

  defp visit(%T{data: %Expr{id: id}} = expr, free, hooks, done) do
    if is_map_key(free, id) or is_map_key(done, id) do
      free
    else
      if call?(expr.data, hooks), do: throw({__MODULE__, :call})
      scope = if expr.data.op == :block and inner(expr) == [], do: :scope, else: :all
      visit = fn arg, free -> {arg, visit(arg, free, hooks, done)} end
      {_, free} = Tree.apply_args(expr, scope, Map.put(free, id, true), visit)
      free
    end
  end

  defp call?(%Expr{op: op, args: [_, callback, _, _]}, hooks) when op in @hooks,
    do: listener(callback, hooks) != nil

  defp call?(%Expr{op: op}, _hooks), do: not known?(op)
end
