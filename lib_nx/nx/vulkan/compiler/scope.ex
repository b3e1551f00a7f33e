defmodule Nx.Vulkan.Compiler.Scope do
  @moduledoc false
  # Where expressions have values: a definition, the condition or the body of a loop, the body of a
  # function or a block. Those see their arguments alone. A branch of a `cond` is a scope inside of
  # another one and sees what that knows: it captures it, as an argument of its own.

  alias Nx.Tensor, as: T
  alias Nx.Defn.{Expr, Tree}
  alias Nx.Vulkan.Backend.Node

  # values: by the id of their expression. arguments: by their index. ids: of the expressions that
  # belong to this scope or one around it. above: the ids of the scopes around a branch, else nil.
  # captures: parameters by the references of what they stand for; captured: the latter, last first.
  defstruct values: %{}, arguments: %{}, ids: %{}, above: nil, captures: %{}, captured: []

  @type t :: %__MODULE__{}

  @doc "A scope of its own, for an expression whose arguments have these values."
  @spec closed(Nx.Container.t(), [Nx.Tensor.t()]) :: t
  def closed(expr, arguments) do
    indexed = arguments |> Enum.with_index() |> Map.new(fn {value, i} -> {i, value} end)
    %__MODULE__{arguments: indexed, ids: Tree.scope_ids(expr)}
  end

  @doc "A branch inside of `scope`. It shares what `sibling`, another branch of the `cond`, captured."
  @spec branch(Nx.Container.t(), t, t | nil) :: t
  def branch(expr, scope, sibling) do
    sibling = sibling || %__MODULE__{}
    ids = Tree.scope_ids(expr, scope.ids)
    %{sibling | values: %{}, ids: ids, above: scope.ids}
  end

  @doc "Whether an expression belongs to a scope around the first one of `scopes`."
  @spec above?(Nx.Tensor.t(), [t]) :: boolean
  def above?(_expr, [%{above: nil} | _]), do: false
  def above?(%T{data: %Expr{op: op}}, _) when op in [:constant, :tensor], do: false
  def above?(%T{data: %Expr{op: :parameter}}, _), do: true

  def above?(%T{data: %Expr{id: id, op: op, args: args}}, [scope | above] = scopes) do
    is_map_key(scope.above, id) or known?(id, above) or
      (op == :elem and match?([%T{} | _], args) and above?(hd(args), scopes))
  end

  # The predicates of a `cond` are computed around its branches, which may use what these need.
  defp known?(id, [%{values: values, above: above} | rest]),
    do: is_map_key(values, id) or (above != nil and known?(id, rest))

  @doc "A value of the scope around a branch, as the branch sees it. A number is one everywhere."
  @spec capture(t, Nx.Tensor.t()) :: {Nx.Tensor.t(), t}
  def capture(scope, %T{data: %{number: number}} = value) when number != nil, do: {value, scope}

  def capture(%{captures: captures} = scope, value) do
    ref = Node.ref(value)

    case captures do
      %{^ref => parameter} ->
        {Node.put(value, parameter), scope}

      %{} ->
        parameter = Node.parameter(ref, value)
        captures = Map.put(captures, ref, Node.stored(parameter))
        {parameter, %{scope | captures: captures, captured: [ref | scope.captured]}}
    end
  end

  @doc "Parameters of a branch, and the references of the arguments that they stand for."
  @spec captured(t) :: {[reference], [reference]}
  def captured(%{captures: captures, captured: captured}) do
    arguments = Enum.reverse(captured)
    {Enum.map(arguments, &captures[&1].ref), arguments}
  end
end
