defmodule Nx.Vulkan.Compiler.Program do
  @moduledoc false
  # A definition as one function of the library, for arguments of given types and shapes on one engine;
  # as a script of several where it needs the host in its midst.

  alias Nx.Tensor, as: T
  alias Nx.Defn.Composite
  alias Nx.Vulkan.{Backend, Native}
  alias Nx.Vulkan.Backend.Node
  alias Nx.Vulkan.Compiler.{Script, Trace, Walk}

  # used: indices of the arguments that the results need, ascending. outputs: the results of a call, but
  # for the references of their values. calls: hooks, with what they are given, likewise. function: nil
  # when there is nothing to compute.
  @enforce_keys [:engine, :function, :used, :outputs, :calls]
  defstruct [:engine, :function, :used, :outputs, :calls]

  @type t :: %__MODULE__{
          engine: reference,
          function: reference | Script.t() | nil,
          used: [non_neg_integer],
          outputs: Nx.Container.t(),
          calls: [{fun, Nx.Container.t()}]
        }

  @doc "The program of an expression, by its name, with hooks by theirs."
  @spec make(Nx.Container.t(), reference, map, String.t()) :: t
  def make(expr, engine, hooks, name) do
    plain = Composite.traverse(expr, &Nx.devectorize/1)

    with {:ok, values, parameters, calls} <- Trace.run(plain, engine, hooks) do
      {used, parameters} = parameters |> Enum.sort() |> Enum.unzip()

      {outputs, []} =
        Composite.traverse(expr, values, fn t, [%T{data: data} | rest] ->
          {declared(%{Nx.to_template(t) | data: data}), rest}
        end)

      calls = for {fun, value} <- calls, do: {fun, Composite.traverse(value, &declared/1)}
      results = Composite.flatten_list([outputs | Enum.map(calls, &elem(&1, 1))])

      %__MODULE__{
        engine: engine,
        function:
          function(
            engine,
            Enum.map(parameters, &Node.ref/1),
            Enum.map(results, &Node.ref/1),
            name
          ),
        used: used,
        outputs: hollow(outputs),
        calls: for({fun, value} <- calls, do: {fun, hollow(value)})
      }
    else
      :host -> cut(expr, plain, engine, hooks, name)
    end
  end

  defp cut(expr, plain, engine, hooks, name) do
    like = Composite.flatten_list([expr])
    {script, used, results} = Script.make(plain, like, engine, hooks, name)
    {outputs, []} = Composite.traverse(expr, results, fn _, [t | rest] -> {t, rest} end)
    %__MODULE__{engine: engine, function: script, used: used, outputs: outputs, calls: []}
  end

  # With a value of the type and shape that the tensor declares.
  defp declared(t), do: Node.put(t, Node.value(t))

  defp hollow(container), do: Composite.traverse(container, &put_in(&1.data.ref, nil))

  defp function(_engine, _parameters, [], _name), do: nil

  defp function(engine, parameters, results, name) do
    function = Node.new(engine, fn -> Native.function(parameters, results) end)
    :ok = Native.name_function(function, name)
    function
  end

  @doc "The arguments that a call needs. They come as functions; no other is called."
  @spec arguments(t, [(() -> Nx.Tensor.t())]) :: [Nx.Tensor.t()]
  def arguments(%__MODULE__{used: used}, args), do: pick(used, args, 0)

  defp pick([i | used], [arg | args], i), do: [tensor(arg.()) | pick(used, args, i + 1)]
  defp pick([_ | _] = used, [_ | args], i), do: pick(used, args, i + 1)
  defp pick([], _args, _i), do: []

  defp tensor(%T{data: %Nx.Defn.Expr{}} = t) do
    raise ArgumentError,
          "cannot pass a tensor expression as argument to defn, got: #{inspect(t)}"
  end

  defp tensor(%T{vectorized_axes: []} = t), do: t
  defp tensor(t), do: Nx.devectorize(t)

  @doc "How many functions of the library it has."
  @spec parts(t) :: non_neg_integer
  def parts(%__MODULE__{function: nil}), do: 0
  def parts(%__MODULE__{function: %Script{} = script}), do: length(Script.parts(script))
  def parts(%__MODULE__{}), do: 1

  @doc """
  The references of arguments, as `call/2` takes them; nil where one is not a value on the program's
  engine, of the type and shape that the tensor declares.
  """
  @spec references(t, [Nx.Tensor.t()]) :: [reference] | nil
  def references(%__MODULE__{engine: engine}, arguments),
    do: references(arguments, engine, node())

  # Of the shape that is stored, and on this node.
  defp references(
         [%T{shape: shape, data: %Backend{shape: shape} = data} = t | arguments],
         engine,
         here
       )
       when data.engine == engine and node(data.ref) == here do
    if data.type == Node.type(t.type) do
      refs = references(arguments, engine, here)
      refs && [data.ref | refs]
    end
  end

  defp references([_ | _], _engine, _here), do: nil
  defp references([], _engine, _here), do: []

  @doc """
  Starts a call with the values of these arguments; answers without waiting for the results, but for
  those that the host needs on the way.
  """
  @spec call(t, [reference]) :: Nx.Container.t()
  def call(%__MODULE__{function: nil, outputs: outputs}, _arguments), do: outputs

  def call(%__MODULE__{function: %Script{} = script} = program, arguments) do
    refs = Walk.run(script, program.used |> Enum.zip(arguments) |> Map.new())
    {results, []} = fill(program.outputs, refs)
    results
  end

  def call(%__MODULE__{engine: engine, function: function} = program, arguments) do
    refs = Node.new(engine, fn -> Native.invoke(function, arguments) end)
    {results, refs} = fill(program.outputs, refs)
    Enum.reduce(program.calls, refs, &show/2)
    results
  end

  defp show({fun, values}, refs) do
    {shown, refs} = fill(values, refs)
    fun.(shown)
    refs
  end

  defp fill(%T{data: data} = t, [ref | rest]), do: {%{t | data: %{data | ref: ref}}, rest}
  defp fill(container, refs), do: Composite.traverse(container, refs, &fill/2)
end
