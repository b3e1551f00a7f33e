defmodule Nx.Vulkan.Number do
  @moduledoc false
  # Numbers of callers: Elixir's; those that are not finite, as the atoms :nan, :infinity and
  # :neg_infinity; complex ones, as {re, im}. And how they travel to the NIF, integers in 64 bits.

  alias Nx.Vulkan.Error

  @non_finite [:nan, :infinity, :neg_infinity]
  @signed -0x8000000000000000..0x7FFFFFFFFFFFFFFF
  @unsigned 0..0xFFFFFFFFFFFFFFFF

  @doc "An integer of 64 bits with a sign."
  defguard is_signed(n) when is_integer(n) and n in @signed

  @doc "A real number, or the atom of one that is not finite."
  defguard is_real(x) when is_number(x) or x in @non_finite

  @doc "A real or complex number."
  defguard is_value(x)
           when is_real(x) or
                  (is_tuple(x) and tuple_size(x) == 2 and is_real(elem(x, 0)) and
                     is_real(elem(x, 1)))

  @doc "A number for the NIF. The upper half of u64 travels in two's complement."
  @spec to_native(term) :: {:ok, term} | {:error, Error.t()}
  def to_native(x) when is_signed(x), do: {:ok, x}
  def to_native(x) when is_integer(x) and x in @unsigned, do: {:ok, wrap(x)}

  def to_native({re, im}) when is_real(re) and is_real(im) do
    with {:ok, re} <- to_real(re), {:ok, im} <- to_real(im), do: {:ok, {re, im}}
  end

  def to_native(x) when not is_integer(x) and is_value(x), do: {:ok, x}

  def to_native(x) do
    Error.new(:invalid_argument, "expected a number of at most 64 bits, got #{inspect(x)}")
  end

  @doc "A real number as a float, or the atom of one that is not finite."
  @spec to_real(number | atom) :: {:ok, float | atom} | {:error, Error.t()}
  def to_real(x) when is_integer(x) do
    {:ok, x * 1.0}
  rescue
    ArithmeticError -> Error.new(:invalid_argument, "#{inspect(x)} is too large for a float")
  end

  def to_real(x), do: {:ok, x}

  @doc "Whether it is an integer of 64 bits, of either sign."
  @spec fits?(term) :: boolean
  def fits?(x), do: is_signed(x) or (is_integer(x) and x in @unsigned)

  @doc """
  A number of any size for the NIF, as an element of `type`: modulo 2^64 for integer types, as a float
  where it does not fit. Complex numbers may be those of the package `complex`.
  """
  @spec to_native(term, Nx.Vulkan.Type.t()) :: term
  def to_native(%{__struct__: Complex, re: re, im: im}, _type), do: {re, im}

  def to_native(n, type) when is_integer(n) and not is_signed(n),
    do: if(Nx.Vulkan.Type.float?(type), do: n * 1.0, else: wrap(n))

  def to_native(n, _type), do: n

  defp wrap(n) do
    <<wrapped::signed-64>> = <<n::64>>
    wrapped
  end

  @doc "A number as people read it."
  @spec format(term) :: String.t()
  def format(:nan), do: "NaN"
  def format(:infinity), do: "Inf"
  def format(:neg_infinity), do: "-Inf"
  def format({re, im}), do: "{#{format(re)}, #{format(im)}}"
  def format(x), do: to_string(x)
end
