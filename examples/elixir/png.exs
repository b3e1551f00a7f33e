defmodule PNG do
  @moduledoc false
  # Writes 8-bit RGB pixels as a PNG file.

  @signature <<0x89, "PNG\r\n", 0x1A, "\n">>

  @doc "`pixels`: width * height * 3 bytes, row by row from the top."
  def write!(path, pixels, width, height)
      when is_integer(width) and is_integer(height) and
             byte_size(pixels) == 3 * width * height do
    # 8 bits a channel, colour type 2 (RGB); standard compression and filtering, not interlaced.
    header = <<width::32, height::32, 8, 2, 0, 0, 0>>
    # Each row starts with the number of its filter: 0, none.
    rows = for <<row::binary-size(3 * width) <- pixels>>, do: [0, row]

    File.write!(path, [
      @signature,
      chunk("IHDR", header),
      chunk("IDAT", :zlib.compress(rows)),
      chunk("IEND", "")
    ])
  end

  defp chunk(type, data) do
    [<<byte_size(data)::32>>, type, data, <<:erlang.crc32([type, data])::32>>]
  end
end
