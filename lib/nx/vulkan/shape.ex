defmodule Nx.Vulkan.Shape do
  @moduledoc false
  # Shapes and axes as callers write them; the NIF takes lists of 64-bit integers.

  import Nx.Vulkan.Number, only: [is_signed: 1]
  alias Nx.Vulkan.Error

  @doc "Whether it is a list that ends with an empty one. For guards: of others `length/1` raises."
  defguard is_proper(list) when is_list(list) and length(list) >= 0

  @doc "A shape from a tuple, a list of dimensions, or one dimension."
  @spec parse(term) :: {:ok, [pos_integer]} | {:error, Error.t()}
  def parse(shape) when is_tuple(shape), do: shape |> Tuple.to_list() |> parse(shape)
  def parse(shape) when is_proper(shape), do: parse(shape, shape)
  def parse(shape), do: parse([shape], shape)

  defp parse(dims, given) do
    cond do
      not Enum.all?(dims, &(is_integer(&1) and &1 in 0..0x7FFFFFFFFFFFFFFF)) ->
        Error.new(:invalid_argument, "expected a shape such as {2, 3}, got #{inspect(given)}")

      0 in dims ->
        Error.new(:empty_tensor, "a tensor has at least one element, got shape #{inspect(given)}")

      true ->
        {:ok, dims}
    end
  end

  @doc "A list of integers, from a list, a tuple or one integer; nil stays."
  @spec integers(term, String.t()) :: {:ok, [integer] | nil} | {:error, Error.t()}
  def integers(nil, _name), do: {:ok, nil}
  def integers(axis, name) when is_integer(axis), do: integers([axis], name)
  def integers(tuple, name) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> integers(name)

  def integers(list, name) when is_proper(list) do
    if Enum.all?(list, &is_signed/1),
      do: {:ok, list},
      else: not_integers(list, name)
  end

  def integers(other, name), do: not_integers(other, name)

  defp not_integers(other, name),
    do: Error.new(:invalid_argument, "#{name}: expected integers, got #{inspect(other)}")

  @doc "One axis."
  @spec axis(term, String.t()) :: {:ok, integer} | {:error, Error.t()}
  def axis(axis, _name) when is_integer(axis) and axis in -0x80000000..0x7FFFFFFF, do: {:ok, axis}

  def axis(other, name),
    do: Error.new(:invalid_argument, "#{name}: expected an axis, got #{inspect(other)}")

  @doc "Whether so many elements fill a shape."
  @spec check_count(non_neg_integer, [pos_integer]) :: :ok | {:error, Error.t()}
  def check_count(count, shape) do
    if count == Enum.product(shape), do: :ok, else: mismatch("#{count} elements", shape)
  end

  @spec mismatch(String.t(), [pos_integer]) :: {:error, Error.t()}
  def mismatch(got, shape) do
    Error.new(:size_mismatch, "#{got} do not fill shape #{inspect(List.to_tuple(shape))}")
  end

  @doc "Elements of a nested list in row-major order, and its shape."
  @spec flatten(term) :: {:ok, [term], [pos_integer]} | {:error, Error.t()}
  def flatten(data) do
    dims = dims(data)

    cond do
      0 in dims ->
        Error.new(:empty_tensor, "a tensor has at least one element, got an empty list")

      elements = flatten(data, dims) ->
        {:ok, elements, dims}

      true ->
        Error.new(:size_mismatch, "the lists inside a list must have the same lengths")
    end
  end

  # Along the first elements; flatten/2 checks that the others agree.
  defp dims([first | _] = list) when is_proper(list), do: [length(list) | dims(first)]
  defp dims([]), do: [0]
  defp dims(_element), do: []

  defp flatten(element, []), do: if(is_list(element), do: nil, else: [element])

  defp flatten(list, [n | dims]) do
    if long?(list, n) do
      if dims == [], do: flat(list), else: concatenate(list, dims)
    end
  end

  defp long?(list, n) when is_proper(list) and length(list) == n, do: true
  defp long?(_other, _n), do: false

  defp flat(list), do: if(Enum.any?(list, &is_list/1), do: nil, else: list)

  defp concatenate(list, dims) do
    list
    |> Enum.reduce_while([], fn item, parts ->
      case flatten(item, dims) do
        nil -> {:halt, nil}
        part -> {:cont, [part | parts]}
      end
    end)
    |> then(&(&1 && &1 |> Enum.reverse() |> Enum.concat()))
  end

  @doc "The inverse of flatten/1."
  @spec nest([term], [pos_integer]) :: [term]
  def nest(elements, [_, _ | _] = shape) do
    shape |> tl() |> Enum.reverse() |> Enum.reduce(elements, &Enum.chunk_every(&2, &1))
  end

  def nest(elements, _shape), do: elements
end
