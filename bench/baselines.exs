defmodule Baselines do
  @moduledoc false
  # Addition of two f32 binaries on the BEAM: what Nx.Vulkan is compared with.

  @doc """
  The loop that a general backend in Elixir runs: match an element that may not be finite, call the
  operation, write the number into iodata.
  """
  def generic(a, b, operation \\ &add/2) do
    a |> generic(b, operation, []) |> IO.iodata_to_binary()
  end

  defp generic(<<x::binary-4, a::binary>>, <<y::binary-4, b::binary>>, operation, written) do
    generic(a, b, operation, [written | write(operation.(read(x), read(y)))])
  end

  defp generic(<<>>, <<>>, _operation, written), do: written

  defp read(<<x::float-little-32>>), do: x
  defp read(<<0x7F800000::little-32>>), do: :infinity
  defp read(<<0xFF800000::little-32>>), do: :neg_infinity
  defp read(_), do: :nan

  defp add(x, y) when is_number(x) and is_number(y), do: x + y
  defp add(:nan, _), do: :nan
  defp add(_, :nan), do: :nan
  defp add(x, y) when is_atom(x) and is_atom(y) and x != y, do: :nan
  defp add(x, _) when is_atom(x), do: x
  defp add(_, y), do: y

  defp write(x) when is_number(x), do: <<x::float-little-32>>
  defp write(:infinity), do: <<0x7F800000::little-32>>
  defp write(:neg_infinity), do: <<0xFF800000::little-32>>
  defp write(:nan), do: <<0x7FC00000::little-32>>

  @doc "The fastest loop there is in Elixir: finite numbers only, appended to a binary."
  def fast(a, b), do: fast(a, b, <<>>)

  defp fast(<<x::float-little-32, a::binary>>, <<y::float-little-32, b::binary>>, sum) do
    fast(a, b, <<sum::binary, x + y::float-little-32>>)
  end

  defp fast(<<>>, <<>>, sum), do: sum
end
