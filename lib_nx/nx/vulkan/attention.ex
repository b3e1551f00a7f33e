defmodule Nx.Vulkan.Attention do
  @moduledoc false
  # `Nx.Vulkan.attention/4`: blocks of Nx for the result and for the gradients, each with a default in
  # plain Nx (`Nx.Vulkan.Attention.Plain`), which other backends compute.

  alias Nx.Defn.Expr
  alias Nx.Tensor, as: T
  alias Nx.Vulkan.Attention.Plain

  defmodule Forward do
    @moduledoc false
    # From queries, keys, values and `operands`, in this order, to the result and, with statistics, the
    # logarithms of the sums of its rows. An offset that is not nil is a number.
    defstruct operands: [],
              scale: nil,
              causal: false,
              window: nil,
              offset: nil,
              soft_cap: nil,
              masked: nil,
              heads_axis: 1,
              statistics: false
  end

  defmodule Gradient do
    @moduledoc false
    # Of queries, keys and values, from what the forward block took, what it answered, and the
    # gradient of its result.
    defstruct forward: nil
  end

  @operands [:mask, :bias, :lengths, :offsets, :sinks]
  @numbers [:scale, :window, :offset, :soft_cap, :masked]
  @widest 256
  @lowest -30_000.0

  @spec attention(Nx.Tensor.t(), Nx.Tensor.t(), Nx.Tensor.t(), keyword) :: Nx.Tensor.t()
  def attention(q, k, v, options) do
    known = [causal: false, heads_axis: 1] ++ @operands ++ @numbers
    options = options |> Keyword.validate!(known) |> Enum.reject(&match?({_, nil}, &1))
    {offset, options} = Keyword.pop(options, :offset)

    options =
      case offset do
        nil -> options
        number when is_integer(number) -> [offset: number] ++ options
        %T{} = tensor -> [offsets: tensor] ++ options
      end

    others = for name <- @operands, tensor = options[name], do: {name, Nx.to_tensor(tensor)}

    forward =
      struct!(Forward, [operands: Keyword.keys(others)] ++ Keyword.drop(options, @operands))

    factors = Enum.map([q, k, v], &Nx.to_tensor/1)
    check!(forward, factors)
    args = together(factors ++ Keyword.values(others))
    compute(forward, Enum.take(args, 3), args)
  end

  # While a definition is traced, constants beside expressions are expressions.
  defp together(args) do
    if traced?(args), do: Enum.map(args, &Expr.tensor/1), else: args
  end

  defp traced?(args), do: Enum.any?(args, &match?(%T{data: %Expr{}}, &1))

  defp compute(forward, factors, args) do
    cond do
      not one_operation?(factors) ->
        Plain.result(forward, args)

      # The gradient of a bias needs every score: it is that of the default.
      traced?(args) and :bias not in forward.operands ->
        forward = %{forward | statistics: true, masked: limited(forward.masked)}
        {result, sums} = block(forward, args, templates(forward, factors), &Plain.forward/2)
        with_gradient(forward, args, result, sums)

      true ->
        {result, _} = templates(forward, factors)
        block(forward, args, result, &Plain.result/2)
    end
  end

  # The logarithm of the sum of a row that sees nothing has to tell how many weights there are.
  defp limited(masked) when is_number(masked), do: max(masked, @lowest)
  defp limited(masked), do: masked

  # What the library takes.
  defp one_operation?([q, k, v]) do
    q.type in [{:f, 16}, {:bf, 16}, {:f, 32}] and k.type == q.type and v.type == q.type and
      Enum.all?([q, v], &(Nx.axis_size(&1, -1) <= @widest))
  end

  # Masks and numbers have none.
  defp with_gradient(%{operands: operands} = forward, args, result, sums) do
    {factors, others} = Enum.split(args, 3)
    sinks = for {:sinks, sinks} <- Enum.zip(operands, others), do: sinks

    Nx.Defn.Kernel.custom_grad(result, factors ++ sinks, fn g ->
      g = Nx.as_type(g, result.type)
      gradients = block(%Gradient{forward: forward}, args ++ [result, sums, g], factors)

      Tuple.to_list(gradients) ++
        Enum.map(sinks, &Plain.gradient_of_sinks(forward, &1, result, sums, g))
    end)
  end

  defp block(%Gradient{} = gradient, args, factors) do
    templates = factors |> Enum.map(&Nx.template(&1.shape, &1.type)) |> List.to_tuple()
    block(gradient, args, templates, &Plain.gradient/2)
  end

  defp block(struct, args, templates, default),
    do: Nx.block(struct, args, templates, variadic(length(args), default))

  # A function of the struct and so many tensors.
  for count <- 3..11 do
    tensors = Macro.generate_arguments(count, __MODULE__)

    defp variadic(unquote(count), default),
      do: fn struct, unquote_splicing(tensors) -> default.(struct, unquote(tensors)) end
  end

  defp templates(forward, [q, _, v]) do
    shape = put_elem(q.shape, 3, elem(v.shape, 3))
    queries = if forward.heads_axis == 1, do: 2, else: 1
    rows = {elem(shape, 0), elem(shape, forward.heads_axis), elem(shape, queries)}
    {Nx.template(shape, q.type), Nx.template(rows, :f32)}
  end

  defp check!(%{heads_axis: heads} = forward, [q, k, v] = factors) do
    unless heads in [1, 2],
      do: raise(ArgumentError, "heads_axis must be 1 or 2, got: #{inspect(heads)}")

    unless is_nil(forward.window) or (is_integer(forward.window) and forward.window > 0),
      do:
        raise(ArgumentError, "window must be a positive integer, got: #{inspect(forward.window)}")

    fits =
      Enum.all?(factors, &(tuple_size(&1.shape) == 4 and Nx.Type.float?(&1.type))) and
        elem(q.shape, 0) == elem(k.shape, 0) and elem(q.shape, 3) == elem(k.shape, 3) and
        put_elem(k.shape, 3, 0) == put_elem(v.shape, 3, 0) and
        rem(elem(q.shape, heads), elem(k.shape, heads)) == 0

    unless fits do
      axes = if heads == 1, do: "heads, length", else: "length, heads"

      raise ArgumentError,
            "attention takes floats {batch, #{axes}, width} whose batches agree, queries and keys of " <>
              "one width, as many keys as values, and keys and values of as many heads, which divide " <>
              "those of the queries, got: " <>
              Enum.map_join(factors, ", ", &"#{Nx.Type.to_string(&1.type)}#{inspect(&1.shape)}")
    end
  end
end
