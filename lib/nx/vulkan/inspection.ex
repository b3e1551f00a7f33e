defmodule Nx.Vulkan.Inspection do
  @moduledoc false
  # What a tensor, a definition or a function runs and how long that takes, for people.

  alias Nx.Vulkan.{Api, Device, Error, Json, MemorySamples, Native, Operand, Timeline}

  @compile {:no_warn_undefined, [Nx.Vulkan.Compiler.Explain, Nx.Vulkan.Compiler.Profile]}

  # Of a tensor with options, or of a definition with arguments.
  def explain(fun, arguments) when is_function(fun), do: explain(fun, arguments, [])

  def explain(tensor, options) do
    with {:ok, options} <- Api.options(options, ir: false),
         {:ok, tensor} <- Operand.one(tensor) do
      Error.from_native(Native.explain(tensor.ref, !!options[:ir]))
    end
  end

  def explain(fun, arguments, options) do
    with :ok <- definition(fun, arguments),
         do: Nx.Vulkan.Compiler.Explain.explain(fun, arguments, options)
  end

  # Of a function without arguments with options, or of a definition with arguments.
  def profile(fun, options) when is_function(fun, 0) do
    with {:ok, options} <- Api.options(options, device: nil, trace: nil, format: :text),
         {:ok, place} <- Device.validate(device: options[:device]),
         {:ok, engine} <- Device.engine(place) do
      measure(engine, nil, options, fn phase ->
        phase.("call")
        fun.()
      end)
    end
  end

  def profile(fun, arguments), do: profile(fun, arguments, [])

  def profile(fun, arguments, options) do
    with :ok <- definition(fun, arguments),
         do: Nx.Vulkan.Compiler.Profile.profile(fun, arguments, options)
  end

  @doc """
  What an engine does for `body`, which is given a function to name what it does from then on. By option
  `:format` a table below the title, a picture, or (`:all`) a map of `:text`, `:svg` and `:trace`. Writes
  the trace to the file of option `:trace` unless that is nil.
  """
  @spec measure(reference, String.t() | nil, keyword, ((String.t() -> :ok) -> term)) ::
          {:ok, String.t() | map} | {:error, Error.t()}
  def measure(engine, title, options, body) do
    path = options[:trace]

    with :ok <- format(options[:format]),
         :ok <- path(path),
         :ok <- Error.from_native(Native.profile_begin(engine)) do
      samples = if options[:format] != :text, do: MemorySamples.start(engine)

      try do
        body.(&Native.profile_phase(engine, &1))
      catch
        kind, reason ->
          if samples, do: MemorySamples.stop(samples)
          Native.profile_end(engine)
          :erlang.raise(kind, reason, __STACKTRACE__)
      end

      Native.profile_phase(engine, "wait")
      answer = Error.from_native(Native.profile_end(engine))
      samples = if samples, do: MemorySamples.stop(samples)

      with {:ok, {table, trace}} <- answer, :ok <- write(path, trace) do
        text = if title, do: title <> "\n" <> table, else: table
        {:ok, formatted(options[:format], title || "Profile", text, trace, samples)}
      end
    end
  end

  defp formatted(:text, _title, text, _trace, _samples), do: text

  defp formatted(:svg, title, _text, trace, samples),
    do: Timeline.profile(title, Json.decode!(trace), samples)

  defp formatted(:all, title, text, trace, samples),
    do: %{text: text, svg: formatted(:svg, title, text, trace, samples), trace: trace}

  defp format(format) when format in [:text, :svg, :all], do: :ok

  defp format(other),
    do: Error.new(:invalid_argument, "format: expected :text or :svg, got #{inspect(other)}")

  defp path(nil), do: :ok

  defp path(path) do
    if is_binary(path) and path != "",
      do: :ok,
      else: Error.new(:invalid_argument, "trace: expected a path, got #{inspect(path)}")
  end

  defp write(nil, _trace), do: :ok

  defp write(path, trace) do
    with {:error, reason} <- File.write(path, trace) do
      Error.new(:invalid_argument, "cannot write #{path}: #{:file.format_error(reason)}")
    end
  end

  defp definition(fun, arguments) do
    cond do
      not Code.ensure_loaded?(Nx.Vulkan.Compiler.Explain) ->
        Error.new(:unsupported, "definitions need Nx, which is not among the dependencies")

      not is_function(fun) or not is_list(arguments) ->
        Error.new(
          :invalid_argument,
          "expected a function and a list of its arguments, got #{inspect(fun)} and " <>
            inspect(arguments)
        )

      not is_function(fun, length(arguments)) ->
        Error.new(
          :invalid_argument,
          "#{inspect(fun)} does not take #{length(arguments)} arguments"
        )

      true ->
        :ok
    end
  end
end
