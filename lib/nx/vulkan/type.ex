defmodule Nx.Vulkan.Type do
  @moduledoc false
  # Element types, as the atoms that Nx prints them as, and the rules for bare numbers.

  import Bitwise, only: [<<<: 2]
  alias Nx.Vulkan.Error

  @unsigned [u2: 2, u4: 4, u8: 8, u16: 16, u32: 32, u64: 64]
  @signed [s2: 2, s4: 4, s8: 8, s16: 16, s32: 32, s64: 64]
  @floats [f8_e4m3fn: 8, f8: 8, bf16: 16, f16: 16, f32: 32, f64: 64]
  @complex [c64: 64, c128: 128]
  @bits @unsigned ++ @signed ++ @floats ++ @complex

  @type t ::
          unquote(@bits |> Keyword.keys() |> Enum.reverse() |> Enum.reduce(&{:|, [], [&1, &2]}))

  @doc "All types."
  def all, do: Keyword.keys(@bits)

  @spec bits(t) :: pos_integer
  for {type, bits} <- @bits, do: def(bits(unquote(type)), do: unquote(bits))

  @doc "A type from its atom, `:f32`, or from Nx's tuple, `{:f, 32}`."
  @spec parse(term) :: {:ok, t} | {:error, Error.t()}
  for {type, bits} <- @bits do
    def parse(unquote(type)), do: {:ok, unquote(type)}

    unless type == :f8_e4m3fn do
      name = type |> Atom.to_string() |> String.trim_trailing("#{bits}") |> String.to_atom()
      def parse({unquote(name), unquote(bits)}), do: {:ok, unquote(type)}
    end
  end

  def parse({:f8_e4m3fn, 8}), do: {:ok, :f8_e4m3fn}
  def parse(other), do: Error.new(:invalid_argument, "unknown type #{inspect(other)}")

  @doc "The type of a list of numbers that names none."
  @spec infer([term]) :: t
  def infer(numbers) do
    Enum.reduce_while(numbers, :s32, fn
      x, type when is_integer(x) -> {:cont, type}
      {_, _}, _ -> {:halt, :c64}
      _, _ -> {:cont, :f32}
    end)
  end

  @doc """
  The type of a number that is combined with a tensor of `type`, by Nx's rule: the tensor's own when
  it can hold the number, a wider one for integers that do not fit, and a float for fractions.
  """
  @spec merge_number(t, term) :: t
  for {type, _} <- @complex, do: def(merge_number(unquote(type), _), do: unquote(type))
  def merge_number(:f64, {_, _}), do: :c128
  def merge_number(_, {_, _}), do: :c64
  def merge_number(:f8_e4m3fn, _), do: :f32

  for {type, _} <- @floats,
      type != :f8_e4m3fn,
      do: def(merge_number(unquote(type), _), do: unquote(type))

  def merge_number(_, x) when not is_integer(x), do: :f32

  for {type, bits} <- @unsigned do
    def merge_number(unquote(type), x) when x >= 0, do: unsigned(max(unquote(bits), width(x)))

    def merge_number(unquote(type), x),
      do: signed(max(unquote(min(2 * bits, 64)), width(-x - 1, 1)))
  end

  for {type, bits} <- @signed do
    def merge_number(unquote(type), x) when x >= 0, do: signed(max(unquote(bits), width(x, 1)))
    def merge_number(unquote(type), x), do: signed(max(unquote(bits), width(-x - 1, 1)))
  end

  # The fewest bits of a type that holds x >= 0, `sign` of them for the sign.
  defp width(x, sign \\ 0)
  defp width(x, _) when x <= 1, do: 2
  defp width(x, sign) when x < 1 <<< (8 - sign), do: 8
  defp width(x, sign) when x < 1 <<< (16 - sign), do: 16
  defp width(x, sign) when x < 1 <<< (32 - sign), do: 32
  defp width(_, _), do: 64

  for {type, bits} <- @unsigned, do: defp(unsigned(unquote(bits)), do: unquote(type))
  for {type, bits} <- @signed, do: defp(signed(unquote(bits)), do: unquote(type))

  @doc "Whether the type holds fractions."
  @spec float?(t) :: boolean
  def float?(type), do: Keyword.has_key?(@floats ++ @complex, type)
end
