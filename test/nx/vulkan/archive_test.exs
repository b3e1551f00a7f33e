defmodule Nx.Vulkan.ArchiveTest do
  # Archives of releases, from a server on this machine in place of the release page.
  use ExUnit.Case

  import ExUnit.CaptureIO

  alias Nx.Vulkan.Archive

  # Not among the applications that the project names.
  @compile {:no_warn_undefined, [:inets, :httpd]}

  @target {"2.17", "x86_64-linux-gnu", "2.36"}

  setup do
    folder = Path.join(System.tmp_dir!(), "nxv-archive-#{System.unique_integer([:positive])}")
    File.mkdir_p!(Path.join(folder, "www"))
    on_exit(fn -> File.rm_rf!(folder) end)
    %{folder: folder}
  end

  # Serves a folder; its address.
  defp serve(folder) do
    :ok = Archive.start(:inets)

    {:ok, server} =
      :inets.start(:httpd,
        port: 0,
        bind_address: {127, 0, 0, 1},
        server_name: ~c"localhost",
        server_root: String.to_charlist(folder),
        document_root: String.to_charlist(Path.join(folder, "www"))
      )

    on_exit(fn -> :inets.stop(:httpd, server) end)
    "http://127.0.0.1:#{:httpd.info(server)[:port]}/"
  end

  # An archive with some NIF, where the release page has it; its name and checksum.
  defp publish(folder, files \\ nil) do
    name = Archive.name("2.16", "x86_64-linux-gnu")
    path = Path.join([folder, "www", name])
    files = files || [{String.to_charlist(Archive.nif_file()), "the nif"}]
    :ok = :erl_tar.create(String.to_charlist(path), files, [:compressed])
    {name, sha256(File.read!(path))}
  end

  defp sha256(bytes), do: :sha256 |> :crypto.hash(bytes) |> Base.encode16(case: :lower)

  defp fetch(%{folder: folder}, url, archives, options \\ []) do
    checksums = Path.join(folder, "checksum.exs")
    File.write!(checksums, inspect(%{url: url, archives: archives}))

    [checksums: checksums, cache: Path.join(folder, "cache"), target: @target]
    |> Keyword.merge(options)
    |> Archive.fetch()
  end

  test "is taken when its checksum agrees, and once", %{folder: folder} = context do
    {name, sha256} = publish(folder)
    url = serve(folder)
    archives = %{name => %{sha256: sha256, glibc: "2.34"}}
    assert {:ok, "the nif", origin} = fetch(context, url, archives)
    assert origin =~ url <> name and origin =~ sha256

    File.rm!(Path.join([folder, "www", name]))
    assert {:ok, "the nif", origin} = fetch(context, url, archives)
    assert origin =~ Path.join(folder, "cache")
  end

  test "is refused when its checksum does not agree, and not kept", %{folder: folder} = context do
    {name, _} = publish(folder)
    wrong = String.duplicate("0", 64)
    assert {:none, why} = fetch(context, serve(folder), %{name => %{sha256: wrong}})
    assert why =~ "its SHA-256 is" and why =~ wrong
    refute File.exists?(Path.join([folder, "cache", name]))
  end

  test "what was kept and then changed is fetched anew", %{folder: folder} = context do
    {name, sha256} = publish(folder)
    kept = Path.join([folder, "cache", name])
    File.mkdir_p!(Path.dirname(kept))
    File.write!(kept, "damaged")
    archives = %{name => %{sha256: sha256}}
    assert {:ok, "the nif", _} = fetch(context, serve(folder), archives)
    assert sha256(File.read!(kept)) == sha256
  end

  test "without a network there is none, and the reason says so", %{folder: folder} = context do
    {name, sha256} = publish(folder)
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :gen_tcp.close(socket)
    archives = %{name => %{sha256: sha256}}
    assert {:none, why} = fetch(context, "http://127.0.0.1:#{port}", archives)
    assert why =~ "cannot be reached" and why =~ "econnrefused"
  end

  test "a page that is not there", %{folder: folder} = context do
    {name, sha256} = publish(folder)
    File.rm!(Path.join([folder, "www", name]))
    assert {:none, why} = fetch(context, serve(folder), %{name => %{sha256: sha256}})
    assert why =~ "answers 404"
  end

  test "a cache that cannot be written is no obstacle", %{folder: folder} = context do
    {name, sha256} = publish(folder)
    file = Path.join(folder, "file")
    File.write!(file, "")
    url = serve(folder)

    said =
      capture_io(fn ->
        archives = %{name => %{sha256: sha256}}

        assert {:ok, "the nif", _} =
                 fetch(context, url, archives, cache: Path.join(file, "cache"))
      end)

    assert said =~ "the archive is not kept" and said =~ "not a directory"
  end

  test "one for another machine does not fit", %{folder: folder} = context do
    {name, sha256} = publish(folder)
    archives = %{name => %{sha256: sha256, glibc: "2.34"}}

    for {target, why} <- [
          {{"2.17", "aarch64-linux-gnu", "2.36"}, "aarch64-linux-gnu"},
          {{"2.17", "x86_64-linux-musl", nil}, "x86_64-linux-musl"},
          {{"2.15", "x86_64-linux-gnu", "2.36"}, "NIF 2.15"},
          {{"3.0", "x86_64-linux-gnu", "2.36"}, "NIF 3.0"},
          {{"2.17", "x86_64-linux-gnu", "2.31"}, "needs glibc 2.34, and this is 2.31"},
          {{"2.17", "x86_64-linux-gnu", nil}, "needs glibc 2.34"}
        ] do
      assert {:none, said} = fetch(context, "http://127.0.0.1:1", archives, target: target)
      assert said =~ why
    end
  end

  test "only the file of its name is taken out of it", %{folder: folder} = context do
    for files <- [
          [{~c"../nxv_nif.so", "x"}],
          [{~c"other/nxv_nif.so", "x"}],
          [{~c"README", "x"}]
        ] do
      {name, sha256} = publish(folder, files)
      cache = Path.join(folder, sha256)
      archives = %{name => %{sha256: sha256}}
      assert {:none, why} = fetch(context, serve(folder), archives, cache: cache)
      assert why =~ "has no nxv_nif" or why =~ "cannot be unpacked"
    end
  end

  test "sources that are of no release, and a release without an address" do
    assert {:none, why} = Archive.fetch(checksums: "/nowhere/checksum.exs")
    assert why =~ "of no release"
  end

  test "this machine has a name" do
    {nif, triplet, _glibc} = Archive.target()
    assert nif =~ ~r/^\d+\.\d+$/
    assert triplet =~ ~r/^[a-z0-9_]+-[a-z0-9.]+(-[a-z0-9]+)?$/
  end
end
