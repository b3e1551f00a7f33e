defmodule Mix.Tasks.Compile.NxvCmake do
  @moduledoc """
  Puts the NIF into the application's priv folder: that of the release's archive for this machine,
  where there is one whose checksum agrees (`Nx.Vulkan.Archive`), else one that it builds of the C++
  sources with CMake. `NXV_BUILD=1` builds it in any case. It says which, and `priv/nxv_nif.origin`
  keeps it. An archive that was taken stays until the next version, or `mix clean`.

  The build folder, `build/mix-HASH`, lies outside the application's so that all Mix environments
  share it. The hash covers what a build tree cannot survive: a move of the sources, another
  compiler, another Erlang.
  """
  use Mix.Task.Compiler

  alias Nx.Vulkan.Archive

  @recursive true
  # file:line[:column]: severity: message, as gcc, clang and cmake's compilers print it.
  @diagnostic ~r/^((?:[A-Za-z]:)?[^\s:][^:]*):(\d+):(?:\d+:)? ((?:fatal )?error|warning): (.+)$/m

  @impl true
  def run(_args) do
    cond do
      System.get_env("NXV_BUILD") in ["1", "true"] -> build("NXV_BUILD is set")
      from_archive?() -> {:noop, []}
      true -> fetch_or_build()
    end
  end

  defp fetch_or_build do
    case Archive.fetch() do
      {:ok, nif, origin} ->
        Mix.shell().info("nx_vulkan: the NIF is that of #{origin}")
        {install(nif, origin), []}

      {:none, why} ->
        build(why)
    end
  end

  # Whether what is installed is of an archive of this version.
  defp from_archive? do
    with {:ok, "archive " <> rest} <- File.read(installed("nxv_nif.origin")),
         [name | _] <- String.split(rest, " ") do
      File.exists?(installed_nif()) and
        String.ends_with?(name, "-#{Mix.Project.config()[:version]}.tar.gz")
    else
      _ -> false
    end
  end

  defp build(why) do
    with {:ok, cmake} <- find_cmake(),
         {:ok, configured} <- configure(cmake, why),
         {:ok, built} <- command(cmake, ["--build", build_dir(), "--target", "nxv_nif" | jobs()]) do
      nif = File.read!(Path.join([build_dir(), "priv", Archive.nif_file()]))

      {install(nif, "built here of the sources: #{why}"),
       diagnostics(configured <> built, :warning)}
    else
      {:error, output} ->
        Mix.shell().error(output)
        {:error, failures(output)}
    end
  end

  @impl true
  def manifests, do: []

  @impl true
  def clean do
    File.rm_rf!(build_dir())
    File.rm(installed_nif())
    File.rm(installed("nxv_nif.origin"))
    :ok
  end

  defp find_cmake do
    case System.find_executable("cmake") do
      nil -> {:error, "nx_vulkan: cmake is needed to build the NIF, and was not found in PATH"}
      cmake -> {:ok, cmake}
    end
  end

  defp configure(cmake, why) do
    if File.exists?(Path.join(build_dir(), "CMakeCache.txt")) do
      {:ok, ""}
    else
      options = [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DNXV_NIF=ON",
        "-DNXV_TESTS=OFF",
        "-DNXV_TOOLS=OFF",
        "-DERL_INCLUDE_DIR=#{erl_include_dir()}",
        "-DNXV_NIF_OUTPUT=#{Path.join(build_dir(), "priv")}"
      ]

      Mix.shell().info(
        "nx_vulkan: the library is built with CMake, once, in a few minutes: #{why}"
      )

      result = command(cmake, ["-S", File.cwd!(), "-B", build_dir()] ++ generator() ++ options)
      # A cache left by a failed configuration would pass for a configured tree.
      if match?({:error, _}, result), do: File.rm_rf!(build_dir())
      result
    end
  end

  defp generator do
    if System.get_env("CMAKE_GENERATOR") == nil and System.find_executable("ninja"),
      do: ["-G", "Ninja"],
      else: []
  end

  # Generators of several configurations choose one here.
  defp jobs,
    do: ["--config", "Release", "--parallel", Integer.to_string(System.schedulers_online())]

  defp command(program, args) do
    case System.cmd(program, args, stderr_to_stdout: true) do
      {output, 0} -> {:ok, output}
      {output, _status} -> {:error, output}
    end
  end

  # Renaming replaces the file of a running VM without touching what that VM has mapped.
  defp install(nif, origin) do
    File.mkdir_p!(Path.dirname(installed_nif()))
    File.write!(installed("nxv_nif.origin"), origin <> "\n")

    if File.read(installed_nif()) == {:ok, nif} do
      :noop
    else
      temporary = installed_nif() <> ".#{System.pid()}"
      File.write!(temporary, nif)
      replace(temporary, installed_nif())
      :ok
    end
  end

  # Windows lets nobody replace a library that is in use, but rename it.
  defp replace(new, old) do
    with {:error, _} <- File.rename(new, old) do
      File.rename!(old, "#{old}.before-#{System.pid()}")
      File.rename!(new, old)
    end
  end

  defp installed(file), do: Path.join([Mix.Project.app_path(), "priv", file])
  defp installed_nif, do: installed(Archive.nif_file())

  defp build_dir do
    identity = {
      File.cwd!(),
      System.get_env("CC"),
      System.get_env("CXX"),
      System.get_env("CXXFLAGS"),
      erl_include_dir(),
      :erlang.system_info(:version),
      :erlang.system_info(:system_architecture)
    }

    hash = identity |> :erlang.term_to_binary() |> :erlang.md5()

    Path.join([
      File.cwd!(),
      "build",
      "mix-" <> Base.encode16(binary_part(hash, 0, 6), case: :lower)
    ])
  end

  defp erl_include_dir do
    root = List.to_string(:code.root_dir())

    Enum.find(
      [
        Path.join([root, "erts-#{:erlang.system_info(:version)}", "include"]),
        Path.join([root, "usr", "include"])
      ],
      "",
      &File.exists?(Path.join(&1, "erl_nif.h"))
    )
  end

  defp failures(output) do
    case diagnostics(output, :error) do
      [] -> [diagnostic("CMakeLists.txt", 0, :error, output)]
      found -> found
    end
  end

  defp diagnostics(output, severity) do
    for [file, line, kind, text] <- Regex.scan(@diagnostic, output, capture: :all_but_first),
        String.ends_with?(kind, Atom.to_string(severity)) do
      diagnostic(Path.expand(file, build_dir()), String.to_integer(line), severity, text)
    end
  end

  defp diagnostic(file, line, severity, message) do
    %Mix.Task.Compiler.Diagnostic{
      compiler_name: "nxv_cmake",
      file: Path.expand(file),
      position: line,
      severity: severity,
      message: message
    }
  end
end
