defmodule Nx.Vulkan.Compiler.Script do
  @moduledoc false
  # A definition that calls the host: what its parts (Cut) are compiled to, one function of the library
  # each, and what the host does between them. Only loops and branches with a call inside are walked by
  # the host.

  alias Nx.Tensor, as: T
  alias Nx.Defn.{Composite, Evaluator, Expr, Tree}
  alias Nx.Vulkan.{Native, SlowPath}
  alias Nx.Vulkan.Backend.Node
  alias Nx.Vulkan.Compiler.{Calls, Cut, Program, Trace}

  # Values have keys: an argument its index, an expression {id, i}, where i counts the elements of a
  # tuple. A key that is an id says that the call was made. Tensors are hollow: they have no reference.
  @enforce_keys [:engine, :steps, :results]
  defstruct [:engine, :steps, :results]

  @type key :: non_neg_integer | {term, non_neg_integer} | reference
  @type step ::
          {:compute, reference, [key], [key]}
          | {:hook, reference, fun, Nx.Container.t(), [key]}
          | {:call, reference, fun, Nx.Container.t(), [key], [key]}
          | {:while, reference, [{key, Nx.Tensor.t(), Nx.Type.t()}], [step], [key]}
          | {:cond, reference, [[step]]}
          | {:unless, Nx.Tensor.t(), key}

  @type t :: %__MODULE__{engine: reference, steps: [step], results: [key]}

  # hooks: by name. name: the definition's. types: hollow values by the ids of their expressions. arguments: hollow, if they are
  # not the definition's. used: indices of the definition's. captured: see Trace.part/5.
  @typep state :: %{
           engine: reference,
           hooks: map,
           name: String.t(),
           types: map,
           arguments: [Nx.Tensor.t()],
           used: MapSet.t(),
           captured: map
         }

  @doc """
  The script of an expression, the indices of the arguments that it uses, and its results, which are
  declared like `like`.
  """
  @spec make(Nx.Container.t(), [Nx.Tensor.t()], reference, map, String.t()) ::
          {t, [non_neg_integer], [Nx.Tensor.t()]}
  def make(expr, like, engine, hooks, name) do
    state = %{engine: engine, hooks: hooks, name: name, types: %{}, captured: %{}}
    state = Map.merge(state, %{arguments: [], used: MapSet.new()})
    {steps, _, state} = steps(Cut.definition(expr, hooks), __MODULE__, like, state)
    results = Enum.map(like, &hollow(Nx.to_template(&1), engine))
    script = %__MODULE__{engine: engine, steps: steps, results: keys(__MODULE__, results)}
    {script, Enum.sort(state.used), results}
  end

  @doc "The functions of the parts, those of loops and branches too, each with how many arguments it takes."
  @spec parts(t | [step]) :: [{reference, non_neg_integer}]
  def parts(%__MODULE__{steps: steps}), do: parts(steps)

  def parts(steps) do
    Enum.flat_map(steps, fn
      {:compute, function, inputs, _} -> [{function, length(inputs)}]
      {:while, _, _, steps, _} -> parts(steps)
      {:cond, _, clauses} -> Enum.flat_map(clauses, &parts/1)
      _ -> []
    end)
  end

  # The steps of a scope, whose results are the values of `owner`, declared like `like` if that is
  # given; and the results as they would be otherwise.
  @spec steps(Cut.t(), term, [Nx.Tensor.t()] | nil, state) ::
          {[step], [Nx.Tensor.t()], state}
  defp steps(%{parts: parts, results: results}, owner, like, state) do
    {parts, [last]} = Enum.split(parts, -1)

    {steps, state} =
      Enum.flat_map_reduce(parts, state, fn part, state ->
        {steps, [], state} = part(part, [], owner, nil, state)
        {steps, state}
      end)

    {last, results, state} = part(last, results, owner, like, state)
    {steps ++ last, results, state}
  end

  defp part(part, results, owner, like, state) do
    {computed, results, state} = compute(part, results, owner, like, state)
    {called, state} = Enum.map_reduce(part.steps, state, &step/2)
    {computed ++ called, results, state}
  end

  defp compute(%{roots: []}, [], _owner, _like, state), do: {[], [], state}

  defp compute(%{roots: roots, uses: uses}, results, owner, like, state) do
    %{engine: engine, types: types} = state
    parameter = fn value -> Composite.traverse(value, &Node.parameter(engine, &1)) end
    known = Map.new(uses, &{id(&1), parameter.(types[id(&1)])})
    arguments = Enum.map(state.arguments, parameter)

    {values, arguments, captured} =
      Trace.part(roots ++ results, engine, known, arguments, state.captured)

    {kept, results} = Enum.split(values, length(roots))
    declared = if like, do: Enum.zip_with(results, like, &declare/2), else: results
    {indices, arguments} = arguments |> Enum.sort() |> Enum.unzip()
    inputs = indices ++ Enum.flat_map(uses, &keys(id(&1), [known[id(&1)]]))
    outputs = Enum.zip_with(roots, kept, &keys(id(&1), [&2])) ++ [keys(owner, declared)]
    parameters = arguments ++ Enum.map(uses, &known[id(&1)])
    function = function(parameters, kept ++ declared, state.name)

    types = roots |> Enum.map(&id/1) |> Enum.zip(Enum.map(kept, &hollow/1)) |> Enum.into(types)
    used = MapSet.union(state.used, MapSet.new(indices))
    state = %{state | types: types, used: used, captured: captured}
    {[{:compute, function, inputs, Enum.concat(outputs)}], Enum.map(results, &hollow/1), state}
  end

  defp function(parameters, results, name) do
    [parameters, results] = for list <- [parameters, results], do: list |> flat() |> refs()
    function = Node.new(fn -> Native.function(parameters, results) end)
    :ok = Native.name_function(function, name)
    function
  end

  defp refs(tensors), do: Enum.map(tensors, &Node.ref/1)

  defp declare(%T{data: data}, like) do
    out = %{Nx.to_template(like) | data: data}
    Node.put(out, Node.value(out))
  end

  # ---- What the host does ----

  defp step({:hook, expr, fun, data}, state) do
    {shown, keys} = given(data, state)
    {{:hook, id(expr), fun, shown, keys}, state}
  end

  defp step({:runtime_call, %T{data: %Expr{args: [data, fun, template, opts]}} = expr}, state) do
    call = fn given ->
      result = fun.(given, opts)

      unless Nx.compatible?(template, result) do
        raise "expected the runtime_call function to match the given output template"
      end

      result
    end

    call(expr, data, call, flat([template]), state)
  end

  defp step({:evaluate, expr}, state) do
    {args, fun} = evaluate(expr, state)
    templates = if match?({:tuple, _}, expr.type), do: Tuple.to_list(default(expr)), else: [expr]
    call(expr, args, fun, templates, state)
  end

  defp step({:while, %T{data: %Expr{args: [initial | _]}} = expr, round}, state) do
    SlowPath.host_loop(state.engine, state.name)
    initial = flat([initial])
    types = Enum.map(initial, &state.types[id(&1)])
    {steps, wide, state} = rounds(round, expr, types, state)

    initial =
      Enum.zip_with([initial, types, wide], fn [t, value, like] ->
        {{id(t), 0}, value, like.type}
      end)

    {{:while, id(expr), initial, steps, keys(id(expr), wide)}, typed(state, expr, wide)}
  end

  # All branches answer like the last one.
  defp step({:cond, expr, cuts}, state) do
    {[last | clauses], {types, state}} =
      cuts
      |> Enum.reverse()
      |> Enum.map_reduce({nil, state}, fn cut, {like, state} ->
        {steps, results, inner} = steps(cut, id(expr), like, state)
        state = %{state | used: inner.used, captured: inner.captured}
        {steps, {like || results, state}}
      end)

    {{:cond, id(expr), Enum.reverse(clauses, [last])}, typed(state, expr, types)}
  end

  defp step({:unless, predicate}, state),
    do: {{:unless, state.types[id(predicate)], {id(predicate), 0}}, state}

  defp call(expr, data, fun, templates, state) do
    {given, keys} = given(data, state)
    results = Enum.map(templates, &hollow(&1, state.engine))
    {{:call, id(expr), fun, given, keys, keys(id(expr), results)}, typed(state, expr, results)}
  end

  # What the host gets of a container.
  defp given(data, state) do
    tensors = flat([data])

    {given, []} =
      Composite.traverse(data, tensors, fn _, [t | ts] -> {state.types[id(t)], ts} end)

    {given, Enum.map(tensors, &{id(&1), 0})}
  end

  defp typed(state, %T{type: {:tuple, _}} = expr, values),
    do: put_in(state.types[id(expr)], List.to_tuple(values))

  defp typed(state, expr, [value]), do: put_in(state.types[id(expr)], value)

  # The rounds of a loop over a state of these types, or of such that what a round makes fits in.
  defp rounds(round, expr, types, state) do
    inner = %{state | types: %{}, arguments: types, used: MapSet.new()}
    {steps, results, inner} = steps(round, id(expr), types, inner)

    case Enum.zip_with(types, results, &widen(&1, &2, state.engine)) do
      ^types -> {steps, types, %{state | captured: inner.captured}}
      wide -> rounds(round, expr, wide, state)
    end
  end

  defp widen(%T{type: type} = state, %T{type: result}, engine) do
    case Nx.Type.merge(type, result) do
      ^type -> state
      wide -> hollow(%{state | type: wide}, engine)
    end
  end

  # ---- Compositions, and what only Nx.Defn.Evaluator can do ----

  # What a block stands for is a program of its own. An operation whose function calls the host runs where
  # elements are numbers of the host: on Nx.BinaryBackend. What is not known runs on the device.
  defp evaluate(%T{data: %Expr{op: :block, args: [_, args, default, _]}}, state) do
    %{used: used} = program = Program.make(default, state.engine, state.hooks, state.name)
    fun = fn args -> Program.call(program, Enum.map(used, &Node.ref(elem(args, &1)))) end
    {args |> Enum.filter(&is_struct(&1, T)) |> List.to_tuple(), fun}
  end

  defp evaluate(%T{data: %Expr{op: op}} = expr, state) do
    {args, {given, _}} = Tree.apply_args(expr, :scope, {[], 0}, &parameter/2)
    node = Tree.put_args(expr, args)
    run = Evaluator.__compile__(nil, [], fn _ -> node end, hooks: state.hooks)

    host? = Calls.operation?(op)
    if host?, do: SlowPath.host_operation(state.engine, state.name, op)

    {backend, copy} =
      if host?,
        do: {Nx.BinaryBackend, &Nx.backend_copy/1},
        else: {Node.on(state.engine), & &1}

    fun = fn args ->
      Nx.with_default_backend(backend, fn ->
        args = args |> Tuple.to_list() |> Enum.map(&fn -> copy.(&1) end)
        [result] = run.([args])
        result
      end)
    end

    {given |> Enum.reverse() |> List.to_tuple(), fun}
  end

  defp parameter(%T{data: %Expr{op: :fun}} = fun, acc), do: {fun, acc}
  defp parameter(arg, {given, i}), do: {Expr.parameter(arg, :root, i), {[arg | given], i + 1}}

  defp default(%T{data: %Expr{op: :block, args: [_, _, default, _]}}), do: default

  # ---- Keys and hollow tensors ----

  defp id(%T{data: %Expr{id: id}}), do: id

  defp keys(owner, values), do: values |> flat() |> Enum.with_index(fn _, i -> {owner, i} end)

  defp flat(containers), do: Composite.flatten_list(containers)

  defp hollow(template, engine), do: hollow(Node.parameter(engine, template))
  defp hollow(container), do: Composite.traverse(container, &put_in(&1.data.ref, nil))
end
