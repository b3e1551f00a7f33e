defmodule Nx.Vulkan.Compiler.Mesh do
  @moduledoc false
  # What the arguments of a sharded call say: one list of arguments for each place of a mesh, in row-major
  # order, and for each argument a map from dimensions to the axes of the mesh that these are split over.

  alias Nx.Tensor, as: T
  alias Nx.Defn.{Composite, Expr}

  @doc "How many places a mesh has."
  @spec places(Nx.Mesh.t()) :: pos_integer
  def places(%Nx.Mesh{shape: shape}), do: Tuple.product(shape)

  @doc """
  For each tensor of the parameters, in their order, the axis that is split over all places, or nil where
  each place has the whole tensor. A map is that of all tensors of a container.
  """
  @spec axes(Nx.Mesh.t(), term, [Nx.Container.t()]) :: [non_neg_integer | nil]
  def axes(mesh, shardings, vars) when is_list(shardings) do
    if length(shardings) != length(vars) do
      raise ArgumentError,
            "expected #{length(vars)} input sharding configuration(s), got #{length(shardings)}"
    end

    for {sharding, var} <- Enum.zip(shardings, vars), t <- Composite.flatten_list([var]) do
      axis(mesh, sharding, t)
    end
  end

  def axes(_mesh, shardings, _vars) do
    raise ArgumentError,
          "input_shardings: must be a list with a map for each argument, from dimensions to lists of " <>
            "axes of the mesh, got: #{inspect(shardings)}"
  end

  defp axis(mesh, %{} = sharding, t) when not is_struct(sharding) do
    split = for {dimension, [_ | _] = axes} <- sharding, do: {index(t, dimension), axes}
    used = Enum.flat_map(split, &elem(&1, 1))
    Enum.each(used, &known!(mesh, &1))

    with [axis | _] <- used -- Enum.uniq(used) do
      raise ArgumentError, "axis #{axis} was used twice in the same input sharding"
    end

    # Axes with one place split nothing.
    case for {dimension, axes} <- split,
             wide = wide(mesh, axes),
             wide != [],
             do: {dimension, wide} do
      [] -> nil
      [{dimension, wide}] -> whole!(mesh, dimension, wide)
      _ -> raise ArgumentError, only("got #{inspect(sharding)}")
    end
  end

  defp axis(_mesh, other, _t),
    do: raise(ArgumentError, "expected input sharding to be a map, got: #{inspect(other)}")

  defp index(%T{vectorized_axes: []} = t, dimension), do: Nx.axis_index(t, dimension)

  defp index(_t, _dimension) do
    raise ArgumentError, "vectorized tensors cannot be split; devectorize them before the call"
  end

  defp known!(%{shape: shape}, axis) do
    unless axis in 0..(tuple_size(shape) - 1)//1 do
      raise ArgumentError,
            "axis #{inspect(axis)} is not valid for mesh with #{tuple_size(shape)} axes"
    end
  end

  defp wide(%{shape: shape}, axes), do: Enum.filter(axes, &(elem(shape, &1) > 1))

  defp whole!(%{shape: shape} = mesh, dimension, axes) do
    all = wide(mesh, Enum.to_list(0..(tuple_size(shape) - 1)//1))

    if axes != all,
      do: raise(ArgumentError, only("got axes #{inspect(axes)} of #{inspect(shape)}"))

    dimension
  end

  defp only(got) do
    "a tensor can be split along one dimension, over all axes of the mesh in their order: each place " <>
      "computes the rows that it has; #{got}"
  end

  @doc "Raises unless there is a list of arguments for each place."
  @spec arguments!(Nx.Mesh.t(), [list]) :: :ok
  def arguments!(mesh, args_list) do
    if length(args_list) != places(mesh) do
      raise ArgumentError,
            "expected a list of arguments for each of the #{places(mesh)} places of a mesh of shape " <>
              "#{inspect(mesh.shape)}, got #{length(args_list)}"
    end

    :ok
  end

  @doc "Arguments, which come as functions, that raise unless they are like the parameters."
  @spec like([(() -> Nx.Tensor.t())], [Nx.Container.t()]) :: [(() -> Nx.Tensor.t())]
  def like(args, vars) do
    params = Composite.flatten_list(vars)

    if length(args) != length(params) do
      raise ArgumentError, "all places of a mesh must be given the same arguments"
    end

    Enum.zip_with(args, params, fn arg, param ->
      fn ->
        t = arg.()

        unless Nx.compatible?(t, param) do
          raise ArgumentError,
                "all places of a mesh must be given tensors of the same type and shape, " <>
                  "expected #{inspect(Nx.to_template(param))}, got #{inspect(Nx.to_template(t))}"
        end

        t
      end
    end)
  end

  @doc "Parameters like those of one place, for the tensors of all places together."
  @spec together([Nx.Container.t()], [non_neg_integer | nil], pos_integer) :: [Nx.Container.t()]
  def together(vars, axes, places) do
    {vars, []} =
      Enum.map_reduce(vars, axes, fn var, axes ->
        Composite.traverse(var, axes, fn t, [axis | axes] ->
          {together_each(t, axis, places), axes}
        end)
      end)

    vars
  end

  defp together_each(t, nil, _places), do: t

  defp together_each(
         %T{data: %Expr{op: :parameter, args: [i], context: context}} = t,
         axis,
         places
       ) do
    shape = put_elem(t.shape, axis, elem(t.shape, axis) * places)
    Expr.parameter(%{t | shape: shape}, context, i)
  end
end
