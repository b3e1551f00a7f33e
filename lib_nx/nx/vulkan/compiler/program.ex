defmodule Nx.Vulkan.Compiler.Program do
  @moduledoc false
  # A definition as one function of the library, for arguments of given types and shapes on one engine.

  alias Nx.Tensor, as: T
  alias Nx.Defn.Composite
  alias Nx.Vulkan.{Backend, Native, Tensor}
  alias Nx.Vulkan.Backend.Node
  alias Nx.Vulkan.Compiler.Trace

  # used: indices of the arguments that the results need, ascending. outputs: templates of the results.
  # calls: hooks, with templates of what they are given. function: nil when there is nothing to compute.
  @enforce_keys [:engine, :function, :used, :outputs, :calls]
  defstruct [:engine, :function, :used, :outputs, :calls]

  @type t :: %__MODULE__{
          engine: reference,
          function: reference | nil,
          used: [non_neg_integer],
          outputs: Nx.Container.t(),
          calls: [{fun, Nx.Container.t()}]
        }

  @doc "The program of an expression; `:host` when it calls functions of the host."
  @spec make(Nx.Container.t(), reference, map) :: t | :host
  def make(expr, engine, hooks) do
    outputs = Composite.traverse(expr, &Nx.to_template/1)

    with {:ok, values, parameters, calls} <-
           expr |> Composite.traverse(&Nx.devectorize/1) |> Trace.run(engine, hooks) do
      {used, parameters} = parameters |> Enum.sort() |> Enum.unzip()

      results =
        Enum.zip_with(Composite.flatten_list([outputs]), values, fn out, %T{data: data} ->
          Node.ref(%{out | data: data})
        end)

      shown = calls |> Enum.map(&elem(&1, 1)) |> Composite.flatten_list() |> Enum.map(&Node.ref/1)

      %__MODULE__{
        engine: engine,
        function: function(engine, Enum.map(parameters, &Node.ref/1), results ++ shown),
        used: used,
        outputs: outputs,
        calls: for({fun, value} <- calls, do: {fun, Composite.traverse(value, &Nx.to_template/1)})
      }
    end
  end

  defp function(_engine, _parameters, []), do: nil

  defp function(engine, parameters, results),
    do: Node.new(engine, fn -> Native.function(parameters, results) end)

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

  @doc "Starts a call with the values of these arguments; answers without waiting for the results."
  @spec call(t, [reference]) :: Nx.Container.t()
  def call(%__MODULE__{function: nil, outputs: outputs}, _arguments), do: outputs

  def call(%__MODULE__{engine: engine, function: function} = program, arguments) do
    values = Node.new(engine, fn -> Native.invoke(function, arguments) end)
    {results, values} = fill(program.outputs, values)
    Enum.reduce(program.calls, values, &show/2)
    results
  end

  defp show({fun, template}, values) do
    {shown, values} = fill(template, values)
    fun.(shown)
    values
  end

  defp fill(%T{} = out, [value | rest]), do: {put(out, value), rest}
  defp fill(container, values), do: Composite.traverse(container, values, &fill/2)

  defp put(out, %Tensor{ref: ref, type: type, shape: shape, engine: engine}),
    do: %{out | data: %Backend{ref: ref, type: type, shape: shape, engine: engine}}
end
