# Compiled where Kino is among the dependencies of the project, or of a notebook: Mix compiles optional
# dependencies first, and asks both modules whether this file is to be compiled again.
if Code.ensure_loaded?(Kino) do
  defmodule Nx.Vulkan.Kino do
    @moduledoc """
    What `Nx.Vulkan` knows of a computation, as widgets of Livebook. There where Kino is:

        Mix.install([{:nx_vulkan, path: "…"}, {:nx, "~> 0.13"}, {:kino, "~> 0.12"}])

        Nx.Vulkan.Kino.explain(&MyApp.Model.predict/2, [params, x])
        Nx.Vulkan.Kino.profile(&MyApp.Model.predict/2, [params, x], runs: 10)
        Nx.Vulkan.Kino.memory()

    Functions answer a widget, which a cell shows when it is the cell's last value, or raise
    `Nx.Vulkan.Error`. Elsewhere than in Livebook, `Nx.Vulkan.explain/3` and `Nx.Vulkan.profile/3` answer
    the same pictures with `format: :svg`.
    """

    alias Nx.Vulkan, as: V
    alias Nx.Vulkan.{Api, Device, Inspection, Native, Timeline}

    @doc false
    def __mix_recompile__?, do: not Code.ensure_loaded?(Kino)

    @doc """
    The regions that a definition is compiled to, with the bytes between them, in tabs: a picture, and the
    text of `Nx.Vulkan.explain/3`, whose options these are. A definition that calls the host in its midst
    is several programs: of it there is the text alone.
    """
    @spec explain(fun, list, keyword) :: Kino.Layout.t()
    def explain(definition, arguments, options \\ []) do
      text = V.explain!(definition, arguments, Keyword.put(options, :format, :text))

      case V.explain(definition, arguments, Keyword.put(options, :format, :svg)) do
        {:ok, svg} -> Kino.Layout.tabs(Regions: picture(svg), Text: text(text))
        {:error, :unsupported} -> Kino.Layout.tabs(Text: text(text))
        {:error, reason} -> raise Nx.Vulkan.Error, reason: reason, message: "there is no picture"
      end
    end

    @doc """
    The kernels that computing a tensor would run, as text.
    """
    @spec explain(Nx.Vulkan.Tensor.t()) :: Kino.Text.t()
    def explain(tensor), do: text(V.explain!(tensor))

    @doc """
    Calls a function without arguments, or a definition, and shows in tabs where the time went: a picture
    of the time of caller, engine and device and of the memory in use meanwhile, the table of
    `Nx.Vulkan.profile/3`, and the trace to be downloaded, for ui.perfetto.dev. The pointer over a bar
    shows what it was. Options are those of `Nx.Vulkan.profile/2` or `Nx.Vulkan.profile/3`.
    """
    @spec profile(fun, list | keyword, keyword) :: Kino.Layout.t()
    def profile(function_or_definition, options_or_arguments \\ [], options \\ [])

    def profile(function, options, []) when is_function(function, 0),
      do: function |> Inspection.profile(all(options)) |> Api.value!() |> tabs()

    def profile(definition, arguments, options),
      do: definition |> Inspection.profile(arguments, all(options)) |> Api.value!() |> tabs()

    @doc """
    The memory of a device from now on, drawn again and again while the cell's results are there. While it
    is closed there is nothing to see: looking does not open it.

    Options:

      * `:device` - by default the default one
      * `:interval` - milliseconds between samples, by default 500
      * `:samples` - of how many there is a picture, by default 240
    """
    @spec memory(keyword) :: term
    def memory(options \\ []) do
      options = Keyword.validate!(options, device: nil, interval: 500, samples: 240)
      device = [device: options[:device]] |> Device.engine() |> Api.value!() |> Native.device()
      title = "Memory of #{V.device_name!(device)}"
      begin = System.monotonic_time(:millisecond)

      Kino.animate(options[:interval], [], fn _, samples ->
        now = System.monotonic_time(:millisecond) - begin
        {:ok, stats} = Device.memory()
        new = for {^device, stats} <- stats, do: {now / 1, stats}
        samples = Enum.take(new ++ samples, options[:samples])
        {:cont, picture(Timeline.memory(title, Enum.reverse(samples))), samples}
      end)
    end

    defp all(options), do: Keyword.put(options, :format, :all)

    defp tabs(%{text: text, svg: svg, trace: trace}) do
      Kino.Layout.tabs(
        Timeline: picture(svg),
        Table: text(text),
        Trace:
          Kino.Download.new(fn -> trace end,
            filename: "nx_vulkan_trace.json",
            label: "For ui.perfetto.dev"
          )
      )
    end

    # Inside of a page, so that the pointer shows titles; large ones are scrolled.
    defp picture(svg),
      do: Kino.HTML.new(~s(<div style="overflow:auto;max-height:640px">#{svg}</div>))

    defp text(text), do: Kino.Text.new(text, terminal: true)
  end
else
  defmodule Nx.Vulkan.WithoutKino do
    @moduledoc false

    def __mix_recompile__?, do: Code.ensure_loaded?(Kino)
  end
end
