defmodule Nx.Vulkan.Call do
  @moduledoc false
  # Operations by name. Their names and options are those of the library's tables.

  import Nx.Vulkan.Number, only: [is_real: 1, is_signed: 1]
  import Nx.Vulkan.Shape, only: [is_proper: 1]
  alias Nx.Vulkan.{Error, Native, Number, Operand, Operations, Precision, Shape, Type, Value}

  @type row :: %{
          name: atom,
          operands: integer,
          options: [{atom, kind}],
          primitive?: boolean,
          summary: String.t()
        }
  @type kind :: :integer | :integers | :flag | :real | :type | :number | :precision

  # Numbers among the operands of these take the type of the tensor beside them, as the elementwise
  # operations have it; elsewhere they may be indices.
  @combining [:pad, :dot, :matmul]

  # Options that have all numbers of u64.
  @counters [:seed, :offset]

  @doc "All operations. `operands` is how many one takes; at least `-operands` when negative."
  @spec table() :: %{atom => row}
  def table do
    key = {__MODULE__, :table}

    with nil <- :persistent_term.get(key, nil) do
      table =
        for {name, operands, options, primitive?, summary} <- Native.calls(), into: %{} do
          row = %{name: name, operands: operands, options: options, summary: summary}
          {name, Map.put(row, :primitive?, primitive?)}
        end

      :persistent_term.put(key, table)
      table
    end
  end

  @spec call(atom, [Operand.t()], keyword) :: {:ok, Value.made()} | {:error, Error.t()}
  def call(name, operands, options) do
    row = row!(name)
    known_options!(row, options)
    run(row, operands, options)
  end

  defp run(%{name: name, operands: 0} = row, [], options) do
    {device, options} = Keyword.pop(options, :device)

    with {:ok, options} <- native_options(row, options),
         do: Value.create(device, &Native.create(&1, name, options))
  end

  defp run(%{name: name} = row, operands, options)
       when is_proper(operands) and operands != [] do
    with {:ok, operands} <- tensors(row, operands),
         {:ok, options} <- native_options(row, options),
         {:ok, results} <- Value.make(fn -> Native.call(name, refs(operands), options) end) do
      {:ok, unwrap(results)}
    end
  end

  defp run(row, operands, _options) do
    Error.new(
      :invalid_argument,
      "#{row.name}: expected a list of #{count(row.operands)}, got #{inspect(operands)}"
    )
  end

  defp count(n) when n < 0, do: "at least #{-n} operands"
  defp count(n), do: "#{n} operands"

  defp refs(tensors), do: Enum.map(tensors, & &1.ref)

  defp unwrap([tensor]), do: tensor
  defp unwrap(tensors), do: List.to_tuple(tensors)

  # ---- Mistakes of the program: names that do not exist ----

  defp row!(name) do
    case table() do
      %{^name => row} ->
        row

      table ->
        raise ArgumentError,
              "there is no operation #{inspect(name)}; there are #{names(Map.keys(table))}"
    end
  end

  defp known_options!(row, options) do
    unless Keyword.keyword?(options),
      do: raise(ArgumentError, "#{row.name}: expected options, got #{inspect(options)}")

    device = if row.operands == 0, do: [:device], else: []
    known = Keyword.keys(row.options) ++ device

    with [unknown | _] <- options |> Keyword.keys() |> Enum.reject(&(&1 in known)) do
      accepted = if known == [], do: "there are none", else: "there are #{names(known)}"

      raise ArgumentError,
            "#{row.name}: there is no option #{inspect(unknown)}; #{accepted}"
    end
  end

  defp names(names), do: names |> Enum.sort() |> Enum.map_join(", ", &inspect/1)

  # ---- Operands ----

  defp tensors(%{name: :select}, [predicate, on_true, on_false]) do
    home = Operand.first_tensor([predicate, on_true, on_false])

    with {:ok, predicate} <- Operand.one(predicate, home),
         {:ok, branches} <- Operand.combined([on_true, on_false], false, home),
         do: {:ok, [predicate | branches]}
  end

  defp tensors(%{name: name} = row, operands) do
    if name in @combining or (row.primitive? and row.options == []),
      do: Operand.combined(operands, Operations.comparison?(name)),
      else: Operand.each(operands)
  end

  # ---- Options: nil stands for the default ----

  defp native_options(row, options) do
    options
    |> Enum.reject(fn {_, value} -> value == nil end)
    |> with_precision(row.options)
    |> Operand.map(fn {name, value} ->
      counts? = name in @counters and Keyword.has_key?(row.options, :seed)
      kind = if counts?, do: :counter, else: row.options[name]

      case native(kind, value, "#{row.name}: option #{name}") do
        {:ok, value} -> {:ok, {name, value}}
        error -> error
      end
    end)
  end

  defp with_precision(options, known) do
    if Keyword.has_key?(known, :precision),
      do: Keyword.put_new_lazy(options, :precision, &Precision.configured/0),
      else: options
  end

  defp native(:counter, n, _what) when is_integer(n), do: Number.to_native(n)

  defp native(:integer, n, _what) when is_signed(n), do: {:ok, n}
  defp native(:integers, value, what), do: Shape.integers(value, what)
  defp native(:flag, flag, _what) when is_boolean(flag), do: {:ok, flag}
  defp native(:type, type, _what), do: Type.parse(type)
  defp native(:real, x, _what) when is_real(x), do: Number.to_real(x)
  defp native(:number, x, _what) when is_real(x), do: Number.to_native(x)

  defp native(:number, {re, im}, _what) when is_real(re) and is_real(im) do
    with {:ok, {re, im}} <- Number.to_native({re, im}), do: {:ok, [re, im]}
  end

  defp native(:precision, p, _what) when p in [:accurate, :fast],
    do: {:ok, Precision.to_native(p)}

  defp native(kind, other, what),
    do: Error.new(:invalid_argument, "#{what}: expected #{expected(kind)}, got #{inspect(other)}")

  defp expected(kind) when kind in [:integer, :counter], do: "an integer of 64 bits"
  defp expected(:flag), do: "true or false"
  defp expected(:precision), do: ":accurate or :fast"
  defp expected(_), do: "a number"
end
