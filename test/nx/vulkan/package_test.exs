defmodule Nx.Vulkan.PackageTest do
  use ExUnit.Case, async: true

  # What `mix hex.build` would ship, by the rule it follows: files as they are, folders whole.
  defp shipped do
    for entry <- Mix.Project.config()[:package][:files],
        path <- [entry | Path.wildcard(entry <> "/**", match_dot: true)],
        File.regular?(path),
        do: path
  end

  test "ships sources and what the build reads, and nothing that was built" do
    files = shipped()

    kinds = files |> Enum.map(&Path.extname/1) |> Enum.uniq() |> Enum.sort()
    assert kinds -- ~w(.cmake .cpp .ex .exs .h .hpp .in .livemd .map .md .py .supp .txt) == [""]

    for file <- ~w(mix.exs LICENSE README.md CHANGELOG.md CMakeLists.txt .formatter.exs
                   mix/compile_nxv_cmake.ex lib/nx/vulkan.ex lib_nx/nx/vulkan/backend.ex
                   nif/nif.cpp include/nxv/nxv.h src/runtime/engine.cpp
                   guides/backend_documentation/nx.md guides/livebooks/start.livemd) do
      assert file in files, "#{file} is missing"
    end

    for file <- files, part <- ~w(_build build deps priv .git) do
      refute part in Path.split(file), "#{file} was built"
    end
  end

  test "names its licence and what it is" do
    config = Mix.Project.config()
    assert config[:package][:licenses] == ["Apache-2.0"]
    assert Enum.all?(config[:package][:links], fn {_, link} -> link =~ "https://" end)
    assert String.length(config[:description]) in 10..300
    assert Version.parse(config[:version]) != :error
  end
end
