defmodule Nx.Vulkan.Json do
  @moduledoc false
  # Reads the JSON that the library writes: no decoder is among what Elixir 1.14 and OTP 25 have. Objects
  # become maps with strings as keys.

  @spec decode!(String.t()) :: term
  def decode!(text) do
    {value, rest} = text |> skip() |> value()
    if skip(rest) != "", do: raise(ArgumentError, "JSON: something follows the value")
    value
  end

  defp value("{" <> rest), do: members(skip(rest), [])
  defp value("[" <> rest), do: items(skip(rest), [])
  defp value("\"" <> rest), do: string(rest, [])
  defp value("true" <> rest), do: {true, rest}
  defp value("false" <> rest), do: {false, rest}
  defp value("null" <> rest), do: {nil, rest}

  defp value(text) do
    case Regex.run(~r/\A-?\d+(\.\d+)?([eE][+-]?\d+)?/, text) do
      [digits] -> {String.to_integer(digits), after_prefix(text, digits)}
      [digits | _] -> {digits |> Float.parse() |> elem(0), after_prefix(text, digits)}
      nil -> raise ArgumentError, "JSON: no value at #{inspect(String.slice(text, 0, 20))}"
    end
  end

  defp after_prefix(text, prefix),
    do: binary_part(text, byte_size(prefix), byte_size(text) - byte_size(prefix))

  defp members("}" <> rest, members), do: {Map.new(members), rest}

  defp members("\"" <> rest, members) do
    {key, rest} = string(rest, [])
    ":" <> rest = skip(rest)
    {value, rest} = rest |> skip() |> value()
    members(next(rest), [{key, value} | members])
  end

  defp items("]" <> rest, items), do: {Enum.reverse(items), rest}

  defp items(text, items) do
    {value, rest} = value(text)
    items(next(rest), [value | items])
  end

  defp next(rest) do
    case skip(rest) do
      "," <> rest -> skip(rest)
      rest -> rest
    end
  end

  defp string("\"" <> rest, parts), do: {parts |> Enum.reverse() |> IO.iodata_to_binary(), rest}

  defp string("\\u" <> <<hex::binary-4>> <> rest, parts),
    do: string(rest, [<<String.to_integer(hex, 16)::utf8>> | parts])

  for {code, character} <- [{"n", "\n"}, {"t", "\t"}, {"r", "\r"}, {"b", "\b"}, {"f", "\f"}] do
    defp string("\\" <> unquote(code) <> rest, parts),
      do: string(rest, [unquote(character) | parts])
  end

  defp string("\\" <> <<character::utf8>> <> rest, parts),
    do: string(rest, [<<character::utf8>> | parts])

  defp string(text, parts) do
    {length, _} = :binary.match(text, ["\"", "\\"])
    <<plain::binary-size(length), rest::binary>> = text
    string(rest, [plain | parts])
  end

  defp skip(<<space, rest::binary>>) when space in ~c" \t\r\n", do: skip(rest)
  defp skip(text), do: text
end
