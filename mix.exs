Code.require_file("mix/compile_nxv_cmake.ex", __DIR__)

defmodule Nx.Vulkan.MixProject do
  use Mix.Project

  @version "0.1.0"
  @source_url "https://github.com/elixir-nx/nx_vulkan"

  def project do
    [
      app: :nx_vulkan,
      version: @version,
      elixir: "~> 1.14",
      compilers: [:nxv_cmake] ++ Mix.compilers(),
      elixirc_paths: ["lib"] ++ if_nx(["lib_nx"]),
      test_paths: ["test"] ++ if_nx(["test_nx"]),
      start_permanent: Mix.env() == :prod,
      deps: deps(),
      name: "Nx.Vulkan",
      description: "Lazy, fused tensor operations on any GPU with a Vulkan driver",
      source_url: @source_url,
      package: package()
    ]
  end

  def application do
    [mod: {Nx.Vulkan.Application, []}, extra_applications: [:logger]]
  end

  # NXV_NX chooses Nx: "none", a path to its sources, or "auto" (the default), which asks Hex for it
  # where Hex and an Elixir that Nx accepts are there. Naming a Hex package without Hex would prompt.
  defp deps do
    case System.get_env("NXV_NX", "auto") do
      "none" -> []
      "auto" -> if hex?(), do: [{:nx, "~> 0.13", optional: true}], else: []
      path -> [{:nx, path: Path.expand(path), optional: true}]
    end
  end

  defp hex?, do: Code.ensure_loaded?(Hex) and Version.match?(System.version(), "~> 1.17")

  # What needs Nx lives in folders of its own: a guard inside lib/ would go stale when Nx appears.
  defp if_nx(paths), do: if(deps() == [], do: [], else: Enum.filter(paths, &File.dir?/1))

  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{"GitHub" => @source_url},
      files:
        ~w(lib mix nif src include cmake CMakeLists.txt mix.exs .formatter.exs LICENSE) ++
          Enum.filter(~w(lib_nx README.md CHANGELOG.md), &File.exists?/1)
    ]
  end
end
