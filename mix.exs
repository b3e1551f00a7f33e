Code.require_file("mix/nxv_archive.ex", __DIR__)
Code.require_file("mix/compile_nxv_cmake.ex", __DIR__)

defmodule Nx.Vulkan.MixProject do
  use Mix.Project

  def project do
    [
      app: :nx_vulkan,
      version: "0.1.0",
      elixir: "~> 1.14",
      compilers: [:nxv_cmake] ++ Mix.compilers(),
      elixirc_paths: ["lib"] ++ if_nx(["lib_nx"] ++ support(Mix.env())),
      test_paths: ["test"] ++ if_nx(["test_nx"]) ++ if_axon(["test_axon"]),
      start_permanent: Mix.env() == :prod,
      deps: deps() ++ models(),
      name: "Nx.Vulkan",
      description: "Lazy, fused tensor operations on any GPU with a Vulkan driver",
      package: package(),
      docs: docs()
    ]
  end

  def application do
    # Events go to :telemetry where it is, which is started first.
    [mod: {Nx.Vulkan.Application, []}, extra_applications: [:logger, telemetry: :optional]]
  end

  # All of them are optional: what needs them is compiled where they are.
  defp deps, do: nx() ++ kino()

  # NXV_NX chooses Nx: "none", a path to its sources, or "auto" (the default), which asks Hex for it
  # where Hex and an Elixir that Nx accepts are there. Naming a Hex package without Hex would prompt.
  defp nx do
    case System.get_env("NXV_NX", "auto") do
      "none" -> []
      "auto" -> if hex?(), do: [{:nx, "~> 0.13", optional: true}, telemetry()], else: []
      path -> [{:nx, path: Path.expand(path), optional: true, override: true}]
    end
  end

  # NXV_KINO is a path to the sources of Kino. Otherwise it comes from where Nx does.
  defp kino do
    case {System.get_env("NXV_KINO", ""), System.get_env("NXV_NX", "auto")} do
      {"", "auto"} -> if hex?(), do: [{:kino, "~> 0.12", optional: true}], else: []
      {"", _} -> []
      {path, _} -> [{:kino, path: Path.expand(path), optional: true}]
    end
  end

  # Nx has it among its own.
  defp telemetry, do: {:telemetry, "~> 0.4 or ~> 1.0", optional: true}

  # For the tests with models: NXV_AXON and NXV_BUMBLEBEE are paths to sources.
  defp models do
    for {app, variable} <- [axon: "NXV_AXON", bumblebee: "NXV_BUMBLEBEE"],
        path = System.get_env(variable, ""),
        path != "" and nx() != [],
        do: {app, path: Path.expand(path), only: :test, override: true}
  end

  defp if_axon(paths), do: if(models() == [], do: [], else: if_nx(paths))

  defp hex?, do: Code.ensure_loaded?(Hex) and Version.match?(System.version(), "~> 1.17")

  # What needs Nx lives in folders of its own: a guard inside lib/ would go stale when Nx appears.
  defp if_nx(paths), do: if(nx() == [], do: [], else: Enum.filter(paths, &File.dir?/1))

  # Implementations of protocols, which are consolidated before the tests are read.
  defp support(:test), do: ["test_nx/support"]
  defp support(_), do: []

  defp package do
    [
      licenses: ["Apache-2.0"],
      links: %{"Nx" => "https://hexdocs.pm/nx"},
      files:
        ~w(lib lib_nx mix nif src include cmake guides CMakeLists.txt mix.exs .formatter.exs) ++
          ~w(README.md CHANGELOG.md SECURITY.md LICENSE) ++
          Path.wildcard("checksum-nx_vulkan.exs")
    ]
  end

  # For ex_doc. The names of the pages are Nx's convention for backends.
  defp docs do
    guide = fn name, title ->
      {"guides/backend_documentation/#{name}.md",
       filename: String.trim_trailing("backend_documentation-#{name}", "-index"), title: title}
    end

    [
      main: "readme",
      extras: [
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "guides/migrating.md",
        "guides/faq.md",
        "guides/options.md",
        "guides/livebooks/start.livemd",
        "guides/livebooks/from_other_backends.livemd",
        "guides/livebooks/own_code.livemd",
        "guides/livebooks/image_classifier.livemd",
        "guides/livebooks/text_generation.livemd",
        "guides/livebooks/serving.livemd",
        guide.("index", "Backend documentation"),
        guide.("nx", "Nx"),
        guide.("nx_lin_alg", "Nx.LinAlg")
      ],
      groups_for_extras: [
        Notebooks: ~r"guides/livebooks/",
        "Backend documentation": ~r"guides/backend_documentation/"
      ]
    ]
  end
end
