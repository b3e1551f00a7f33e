defmodule Digits.Data do
  @moduledoc false
  # The images and labels, from a CSV file: 64 pixels and the digit on each line.

  @installed "/usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz"

  @doc "A list of `{pixels, digit}`; pixels are 64 bytes of 0 to 16."
  def load(nil), do: load(find())

  def load(path) do
    bytes = File.read!(path)
    csv = if String.ends_with?(path, ".gz"), do: :zlib.gunzip(bytes), else: bytes

    for line <- String.split(csv, "\n", trim: true) do
      {pixels, [digit]} = line |> String.split(",") |> Enum.map(&number/1) |> Enum.split(64)
      {:binary.list_to_bin(pixels), digit}
    end
  end

  # Some copies of the file write whole numbers as floats.
  defp number(text), do: text |> Float.parse() |> elem(0) |> trunc()

  defp find do
    unpacked = folder()
    downloaded = Path.join(unpacked, @installed)

    cond do
      File.exists?(@installed) -> @installed
      File.exists?(downloaded) -> downloaded
      System.find_executable("apt-get") -> download(unpacked, downloaded)
      true -> raise "name the data in --data; see the head of examples/digits.exs"
    end
  end

  @doc "A folder of the user's own, for what is downloaded and written; made where it is missing."
  def folder do
    folder = :filename.basedir(:user_cache, "nx_vulkan/digits")
    File.mkdir_p!(folder)
    folder
  end

  defp download(folder, file) do
    IO.puts("Downloading the Debian package python3-sklearn for its data (2 MB)")

    command = "apt-get download -q python3-sklearn && dpkg-deb -x python3-sklearn_*.deb ."
    {output, status} = System.cmd("sh", ["-c", command], cd: folder, stderr_to_stdout: true)

    if status != 0 or not File.exists?(file) do
      raise "cannot get the data; name it in --data. #{command} said:\n" <> output
    end

    file
  end

  @doc "The first `count` after a shuffle that is always the same, and the others."
  def split(images, count), do: images |> shuffle(0) |> Enum.split(count)

  @doc "Batches of tensors `{images, labels}` in an order that the epoch decides."
  def batches(images, size, epoch) do
    images
    |> shuffle(epoch)
    |> Enum.chunk_every(size, size, :discard)
    |> Enum.map(&tensors/1)
  end

  @doc "Images `f32[n][64]` of 0.0 to 1.0 and labels `u8[n][1]`."
  def tensors(images) do
    pixels = for {pixels, _} <- images, into: <<>>, do: pixels
    labels = for {_, digit} <- images, into: <<>>, do: <<digit>>

    {pixels |> Nx.from_binary(:u8) |> Nx.reshape({:auto, 64}) |> Nx.divide(16),
     labels |> Nx.from_binary(:u8) |> Nx.reshape({:auto, 1})}
  end

  defp shuffle(list, seed) do
    {keyed, _} =
      Enum.map_reduce(list, :rand.seed_s(:exsss, seed), fn x, s ->
        {key, s} = :rand.uniform_s(s)
        {{key, x}, s}
      end)

    keyed |> Enum.sort() |> Enum.map(&elem(&1, 1))
  end
end
