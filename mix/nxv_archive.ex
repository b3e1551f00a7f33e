defmodule Nx.Vulkan.Archive do
  @moduledoc false
  # Archives of releases with the NIF already built: which of them fits this machine, and getting it.
  #
  # The file checksum-nx_vulkan.exs, which `make package` writes and packages ship, says where the
  # archives of this version are and what is in them:
  #
  #     %{url: "https://...", archives: %{"nx_vulkan-nif-2.16-....tar.gz" => %{sha256: "...", glibc: "2.34"}}}
  #
  # An archive of that name is taken from the cache of the user, else from url/name, and only if its
  # SHA-256 is the one that is named.

  @checksums "checksum-nx_vulkan.exs"
  @seconds 60

  @doc "The NIF's file, as the VM looks for it."
  def nif_file, do: if(windows?(), do: "nxv_nif.dll", else: "nxv_nif.so")

  @doc """
  The NIF of the archive that fits: `{:ok, bytes, origin}`, or `{:none, why}`, both in words.

  Options, of which tests make use: `checksums` (a file), `url`, `cache` (a folder), `target`.
  """
  def fetch(options \\ []) do
    with {:ok, release} <- release(options[:checksums] || @checksums),
         {:ok, url} <- url(release, options[:url] || System.get_env("NXV_RELEASES")),
         {:ok, name, entry} <- fitting(release.archives, options[:target] || target()),
         {:ok, bytes, place} <- get(name, entry.sha256, url, options[:cache] || cache()),
         {:ok, nif} <- unpack(bytes) do
      {:ok, nif, "archive #{name} from #{place}, SHA-256 #{entry.sha256}"}
    end
  end

  @doc "What the name of an archive says of a machine: `{nif_version, triplet, glibc or nil}`."
  def target do
    {List.to_string(:erlang.system_info(:nif_version)), triplet(), glibc()}
  end

  @doc "The name of an archive for a NIF of this version of Erlang's interface, and a triplet."
  def name(nif_version, triplet),
    do: "nx_vulkan-nif-#{nif_version}-#{triplet}-#{version()}.tar.gz"

  defp version, do: Mix.Project.config()[:version]

  defp release(file) do
    case File.read(file) do
      {:ok, text} ->
        {release, _} = Code.eval_string(text)
        {:ok, release}

      {:error, _} ->
        {:none, "these sources are of no release (there is no #{file})"}
    end
  end

  defp url(_release, url) when is_binary(url) and url != "", do: {:ok, url}
  defp url(%{url: url}, _) when is_binary(url) and url != "", do: {:ok, url}
  defp url(_release, _), do: {:none, "the release names no address (NXV_RELEASES)"}

  # A NIF runs on later minor versions of the interface than its own.
  defp fitting(archives, {nif_version, triplet, glibc}) do
    [major, minor] = numbers(nif_version)

    found =
      for own <- minor..0//-1,
          name = name("#{major}.#{own}", triplet),
          entry = archives[name],
          do: {name, entry}

    case found do
      [] ->
        {:none, "no archive is for #{triplet} and NIF #{nif_version}"}

      [{name, entry} | _] ->
        if older?(glibc, entry[:glibc]),
          do: {:none, "#{name} needs glibc #{entry.glibc}, and this is #{glibc || "unknown"}"},
          else: {:ok, name, entry}
    end
  end

  defp older?(_have, nil), do: false
  defp older?(nil, _need), do: true
  defp older?(have, need), do: numbers(have) < numbers(need)

  defp numbers(version), do: version |> String.split(".") |> Enum.map(&String.to_integer/1)

  defp windows?, do: match?({:win32, _}, :os.type())

  # x86_64-pc-linux-gnu and x86_64-redhat-linux-gnu are one.
  defp triplet do
    case {windows?(), :system_architecture |> :erlang.system_info() |> List.to_string()} do
      {true, _} -> "x86_64-windows-gnu"
      {false, architecture} -> without_vendor(String.split(architecture, "-"))
    end
  end

  defp without_vendor([machine, _vendor, system, abi]), do: "#{machine}-#{system}-#{abi}"
  defp without_vendor(parts), do: Enum.join(parts, "-")

  defp glibc do
    with getconf when getconf != nil <- System.find_executable("getconf"),
         {"glibc " <> version, 0} <-
           System.cmd(getconf, ["GNU_LIBC_VERSION"], stderr_to_stdout: true) do
      String.trim(version)
    else
      _ -> nil
    end
  end

  defp cache, do: :user_cache |> :filename.basedir("nx_vulkan") |> to_string()

  defp get(name, sha256, url, cache) do
    kept = Path.join(cache, name)

    with {:ok, bytes} <- File.read(kept), true <- sha256?(bytes, sha256) do
      {:ok, bytes, kept}
    else
      _ -> download(String.trim_trailing(url, "/") <> "/" <> name, sha256, kept)
    end
  end

  defp download(address, sha256, kept) do
    with {:ok, bytes} <- http(address) do
      if sha256?(bytes, sha256) do
        keep(kept, bytes)
        {:ok, bytes, address}
      else
        {:none,
         "what #{address} has is not what this release was made with: its SHA-256 is " <>
           "#{digest(bytes)}, not #{sha256}"}
      end
    end
  end

  # Renaming: another process may do the same. A folder that cannot be written is no obstacle.
  defp keep(path, bytes) do
    temporary = "#{path}.#{System.pid()}"

    with :ok <- File.mkdir_p(Path.dirname(path)),
         :ok <- File.write(temporary, bytes),
         :ok <- File.rename(temporary, path) do
      :ok
    else
      {:error, why} ->
        File.rm(temporary)

        Mix.shell().info(
          "nx_vulkan: the archive is not kept: #{path}: #{:file.format_error(why)}"
        )
    end
  end

  defp sha256?(bytes, sha256), do: digest(bytes) == String.downcase(sha256)

  defp digest(bytes) do
    :ok = start(:crypto)
    :sha256 |> :crypto.hash(bytes) |> Base.encode16(case: :lower)
  end

  @doc false
  # Starts an application of Erlang. From Elixir 1.15 on Mix takes those that the project does not name out
  # of the path; they are not named because they are needed while compiling alone.
  def start(app) do
    if function_exported?(Mix, :ensure_application!, 1),
      do: apply(Mix, :ensure_application!, [app])

    {:ok, _} = Application.ensure_all_started(app)
    :ok
  end

  defp http(address) do
    # inets asks ssl's public_key for its defaults, whatever the address.
    Enum.each([:inets, :ssl], &start/1)
    set_proxies()
    options = [timeout: @seconds * 1000, connect_timeout: 10_000] ++ tls(address)

    case :httpc.request(:get, {String.to_charlist(address), []}, options, body_format: :binary) do
      {:ok, {{_, 200, _}, _, body}} -> {:ok, body}
      {:ok, {{_, status, _}, _, _}} -> {:none, "#{address} answers #{status}"}
      {:error, why} -> {:none, "#{address} cannot be reached: #{inspect(why)}"}
    end
  end

  # OTP has the system's certificates from 25 on; without any nothing is taken by https.
  defp tls("https:" <> _) do
    certificates =
      if Code.ensure_loaded?(:public_key) and function_exported?(:public_key, :cacerts_get, 0),
        do: [cacerts: apply(:public_key, :cacerts_get, [])],
        else: [cacertfile: "/etc/ssl/certs/ca-certificates.crt"]

    check = :public_key.pkix_verify_hostname_match_fun(:https)

    [
      ssl:
        [verify: :verify_peer, depth: 4, customize_hostname_check: [match_fun: check]] ++
          certificates
    ]
  end

  defp tls(_), do: []

  defp set_proxies do
    for {name, option} <- [{"HTTP_PROXY", :proxy}, {"HTTPS_PROXY", :https_proxy}],
        address = System.get_env(name) || System.get_env(String.downcase(name)),
        %URI{host: host, port: port} when is_binary(host) <- [URI.parse(address)] do
      :httpc.set_options([{option, {{String.to_charlist(host), port || 3128}, no_proxy()}}])
    end
  end

  defp no_proxy do
    (System.get_env("NO_PROXY") || System.get_env("no_proxy") || "localhost,127.0.0.1")
    |> String.split(",", trim: true)
    |> Enum.map(&(&1 |> String.trim() |> String.to_charlist()))
  end

  # The NIF alone is taken, into memory, by its name.
  defp unpack(bytes) do
    with {:ok, files} <- :erl_tar.extract({:binary, bytes}, [:memory, :compressed]),
         {_, nif} <- Enum.find(files, &(elem(&1, 0) == String.to_charlist(nif_file()))) do
      {:ok, nif}
    else
      nil -> {:none, "the archive has no #{nif_file()}"}
      {:error, why} -> {:none, "the archive cannot be unpacked: #{inspect(why)}"}
    end
  end
end
