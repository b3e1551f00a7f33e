defmodule Nx.Vulkan.Compiler.Trace do
  @moduledoc false
  # From expressions to values of the lazy graph: a walk that calls the backend's own callbacks on
  # parameters, so that each operation of Nx has one lowering. An expression has one value in its scope,
  # however many others share it. Loops and branches become functions of their own.

  alias Nx.Tensor, as: T
  alias Nx.Defn.{Composite, Expr, Tree}
  alias Nx.Vulkan.{Backend, Native}
  alias Nx.Vulkan.Backend.{Block, Node}
  alias Nx.Vulkan.Compiler.{Calls, Scope}

  # scopes: the present one first, then those around it. captured: tensors of the definition, with
  # their values. hooks: those that the options name. calls: of functions of the host, last first,
  # with the values that they are given; nil where it is not known whether they will be made, and
  # :elsewhere where somebody else makes them.
  @enforce_keys [:engine, :scopes, :hooks]
  defstruct [:engine, :scopes, :hooks, captured: %{}, calls: []]

  @type t :: %__MODULE__{}

  @creation [:eye, :iota]
  @operations Nx.Backend.behaviour_info(:callbacks) |> Keyword.keys() |> Enum.uniq()

  @doc """
  The values of an expression's tensors, in the order of `Nx.Defn.Composite`; the parameters that they
  depend on, by the index of the argument; and hooks to be called in this order, with their values.
  `:host` when the definition needs the host before its results are known: for functions that compute,
  or for hooks in loops and branches.
  """
  @spec run(Nx.Container.t(), reference, map) ::
          {:ok, [Nx.Tensor.t()], %{non_neg_integer => Nx.Tensor.t()}, [{fun, Nx.Container.t()}]}
          | :host
  def run(expr, engine, hooks) do
    {values, trace} =
      on_device(expr, %__MODULE__{engine: engine, scopes: [Scope.closed(expr, [])], hooks: hooks})

    calls = Enum.reverse(trace.calls)
    {:ok, Composite.flatten_list([values]), hd(trace.scopes).arguments, calls}
  catch
    {__MODULE__, :host} -> :host
  end

  @doc """
  The values of expressions, each a tensor or a tuple of them, that call nothing but hooks, to which
  nobody listens here. `known` has values by the ids of their expressions, `arguments` those of the first
  arguments. Also answers all arguments that are used, and `captured` with the tensors of the expressions:
  where it is handed on, they are copied to the device once.
  """
  @spec part([Nx.Tensor.t()], reference, map, [Nx.Tensor.t()], map) ::
          {[Nx.Tensor.t() | tuple], %{non_neg_integer => Nx.Tensor.t()}, map}
  def part(exprs, engine, known, arguments, captured) do
    expr = List.to_tuple(exprs)
    scope = %{Scope.closed(expr, arguments) | values: known}
    trace = %__MODULE__{engine: engine, scopes: [scope], hooks: %{}}
    trace = %{trace | captured: captured, calls: :elsewhere}
    {values, trace} = on_device(expr, trace)
    {Tuple.to_list(values), hd(trace.scopes).arguments, trace.captured}
  end

  defp on_device(expr, trace) do
    Nx.with_default_backend(Node.on(trace.engine), fn -> composite(expr, trace) end)
  end

  defp composite(expr, trace), do: Composite.traverse(expr, trace, &value/2)

  defp value(%T{data: %Expr{id: id, op: op}} = expr, %{scopes: [scope | _] = scopes} = trace) do
    case scope.values do
      %{^id => value} ->
        {value, trace}

      %{} ->
        {value, trace} =
          if Scope.above?(expr, scopes),
            do: capture(expr, trace),
            else: compute(op, expr, trace)

        {value, in_scope(trace, &%{&1 | values: Map.put(&1.values, id, value)})}
    end
  end

  defp in_scope(%{scopes: [scope | above]} = trace, change),
    do: %{trace | scopes: [change.(scope) | above]}

  # An expression with a scope of its own.
  defp inside(scope, expr, %{scopes: scopes} = trace) do
    {value, trace} = maybe(%{trace | scopes: [scope | scopes]}, &composite(expr, &1))
    {value, hd(trace.scopes), %{trace | scopes: tl(trace.scopes)}}
  end

  # What may not be computed at all.
  defp maybe(%{calls: calls} = trace, fun) do
    {result, trace} = fun.(%{trace | calls: if(calls == :elsewhere, do: :elsewhere)})
    {result, %{trace | calls: calls}}
  end

  defp closed(expr, arguments, trace) do
    {value, _scope, trace} = inside(Scope.closed(expr, arguments), expr, trace)
    {value, trace}
  end

  defp capture(expr, %{scopes: [scope | above]} = trace) do
    {value, trace} = value(expr, %{trace | scopes: above})
    {value, scope} = captures(value, scope)
    {value, %{trace | scopes: [scope | trace.scopes]}}
  end

  defp captures(%T{} = value, scope), do: Scope.capture(scope, value)

  defp captures(tuple, scope) do
    {values, scope} = tuple |> Tuple.to_list() |> Enum.map_reduce(scope, &captures/2)
    {List.to_tuple(values), scope}
  end

  # ---- What an expression stands for ----

  # The definition's parameters are made when they are used; all others are given.
  defp compute(:parameter, %T{data: %Expr{args: [i]}} = expr, %{scopes: [scope | _]} = trace) do
    case scope.arguments do
      %{^i => value} ->
        {value, trace}

      %{} ->
        value = Node.parameter(trace.engine, Nx.devectorize(expr))
        {value, in_scope(trace, &%{&1 | arguments: Map.put(&1.arguments, i, value)})}
    end
  end

  defp compute(:constant, %T{data: %Expr{args: [number]}} = expr, trace),
    do: {Node.constant_on(trace.engine, expr, number), trace}

  defp compute(:tensor, %T{data: %Expr{args: [tensor]}}, %{captured: captured} = trace) do
    case captured do
      %{^tensor => value} ->
        {value, trace}

      %{} ->
        value = tensor |> Nx.devectorize() |> Node.bring(trace.engine)
        {value, %{trace | captured: Map.put(captured, tensor, value)}}
    end
  end

  defp compute(:metadata, %T{data: %Expr{args: [expr, _]}}, trace), do: composite(expr, trace)

  defp compute(:elem, %T{data: %Expr{args: [tuple, i]}}, trace) do
    {tuple, trace} = composite(tuple, trace)
    {elem(tuple, i), trace}
  end

  defp compute(:fun, %T{data: %Expr{args: [args, expr, _mfa]}}, trace) do
    run = fn values ->
      {value, _trace} = closed(expr, Enum.map(values, &Nx.to_tensor/1), trace)
      value
    end

    fun =
      case length(args) do
        1 -> fn a -> run.([a]) end
        2 -> fn a, b -> run.([a, b]) end
      end

    {fun, trace}
  end

  defp compute(op, %T{data: %Expr{args: [expr, callback, template, _ref]}}, trace)
       when op in [:hook, :io_call] do
    {value, trace} = composite(expr, trace)
    trace = call(callback, value, trace)

    case template do
      %T{} -> {value, trace}
      _ -> {[value] |> Composite.flatten_list() |> List.to_tuple(), trace}
    end
  end

  defp compute(:while, %T{data: %Expr{args: [initial, _, condition, body]}}, trace) do
    {initial, trace} = composite(initial, trace)
    state = Composite.flatten_list([initial])
    {state, parameters, results, trace} = rounds(state, body, trace)
    {condition, trace} = closed(condition, parameters, trace)

    parameters = Enum.map(parameters, &Node.ref/1)
    condition = function(parameters, [predicate(condition)])
    body = function(parameters, results)
    refs = Enum.map(state, &Node.ref/1)
    values = Node.new(fn -> Native.while(refs, condition, body) end)
    {fill(initial, Enum.zip_with(state, values, &Node.put/2)), trace}
  end

  defp compute(:cond, %T{data: %Expr{args: [clauses, last]}}, trace) do
    [first | others] = Enum.map(clauses, &elem(&1, 0))
    {first, trace} = value(first, trace)
    {others, trace} = maybe(trace, &Enum.map_reduce(others, &1, fn p, t -> value(p, t) end))
    bodies = Enum.map(clauses, &elem(&1, 1)) ++ [last]

    {results, {branch, trace}} =
      Enum.map_reduce(bodies, {nil, trace}, fn body, {sibling, trace} ->
        branch = Scope.branch(body, hd(trace.scopes), sibling)
        {result, branch, trace} = inside(branch, body, trace)
        {result, {branch, trace}}
      end)

    {choose(Enum.map([first | others], &predicate/1), results, branch), trace}
  end

  defp compute(:block, %T{data: %Expr{args: args}} = expr, trace) do
    [struct, args, default, callback] = args

    {args, trace} =
      Enum.map_reduce(args, trace, fn
        %T{} = arg, trace -> value(arg, trace)
        option, trace -> {option, trace}
      end)

    if Block.native?(struct) do
      out = if match?({:tuple, _}, expr.type), do: default, else: expr
      {Backend.block(struct, out, args, callback), trace}
    else
      closed(default, Enum.filter(args, &is_struct(&1, T)), trace)
    end
  end

  defp compute(op, expr, trace) when op in @operations do
    {args, trace} = Tree.apply_args(expr, trace, &value/2)

    args =
      cond do
        op in @creation -> [expr | args] ++ [elem(Nx.default_backend(), 1)]
        match?({:tuple, _}, expr.type) -> args
        true -> [expr | args]
      end

    {apply(Backend, op, args), trace}
  end

  # Calls of the host, and what this compiler does not know.
  defp compute(_op, _expr, _trace), do: host!()

  @spec host!() :: no_return
  defp host!, do: throw({__MODULE__, :host})

  defp call(_callback, _value, %{calls: :elsewhere} = trace), do: trace

  defp call({:token_hook, expr, callback}, _value, trace) do
    {value, trace} = composite(expr, trace)
    call(callback, value, trace)
  end

  defp call(callback, value, %{calls: calls} = trace) do
    case Calls.listener(callback, trace.hooks) do
      nil -> trace
      _fun when calls == nil -> host!()
      fun -> %{trace | calls: [{fun, value} | calls]}
    end
  end

  # ---- Loops and branches ----

  # The body of a loop on parameters like the state. What it makes wider than the state was is wide
  # from the start: Nx 0.13 declares gradients of loops over f64 as f32.
  defp rounds(state, body, trace) do
    parameters = Enum.map(state, &Node.parameter(trace.engine, &1))
    {results, after_body} = closed(body, parameters, trace)
    results = Composite.flatten_list([results])
    wide = Enum.zip_with(state, results, &widen/2)

    if Enum.map(wide, & &1.type) == Enum.map(state, & &1.type),
      do: {state, parameters, Enum.zip_with(results, state, &Node.ref(&1, &2.type)), after_body},
      else: rounds(wide, body, trace)
  end

  defp widen(%T{type: type} = state, %T{type: result}) do
    merged = Nx.Type.merge(type, result)
    if merged == type, do: state, else: Backend.as_type(%{state | type: merged}, state)
  end

  defp predicate(%T{type: {:c, _}} = value) do
    zero = Node.constant_on(Node.ref(value), value, 0)
    Node.ref(Backend.not_equal(%{value | type: {:u, 8}}, value, zero))
  end

  defp predicate(value), do: Node.ref(value)

  # All branches answer like the last one.
  defp choose(predicates, results, branch) do
    last = List.last(results)

    case Composite.flatten_list([last]) do
      [] ->
        last

      templates ->
        {parameters, arguments} = Scope.captured(branch)

        functions =
          for result <- results do
            refs =
              Enum.zip_with(
                [result] |> Composite.flatten_list(),
                templates,
                &Node.ref(&1, &2.type)
              )

            function(parameters, refs)
          end

        values = Node.new(fn -> Native.cond(predicates, functions, arguments) end)
        fill(last, Enum.zip_with(templates, values, &Node.put/2))
    end
  end

  defp function(parameters, results), do: Node.new(fn -> Native.function(parameters, results) end)

  defp fill(container, tensors) do
    {filled, []} = Composite.traverse(container, tensors, fn _, [t | rest] -> {t, rest} end)
    filled
  end
end
