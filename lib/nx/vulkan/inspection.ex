defmodule Nx.Vulkan.Inspection do
  @moduledoc false
  # What a tensor, a definition or a function runs and how long that takes, for people.

  alias Nx.Vulkan.{Api, Device, Error, Native, Operand}

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
    with {:ok, options} <- Api.options(options, device: nil, trace: nil),
         {:ok, place} <- Device.validate(device: options[:device]),
         {:ok, engine} <- Device.engine(place) do
      measure(engine, "", options[:trace], fn phase ->
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
  `{:ok, title <> table}` of what an engine does for `body`, which is given a function to name what it
  does from then on. Writes the trace to a file unless that is nil.
  """
  @spec measure(reference, String.t(), Path.t() | nil, ((String.t() -> :ok) -> term)) ::
          {:ok, String.t()} | {:error, Error.t()}
  def measure(engine, title, path, body) do
    with :ok <- path(path), :ok <- Error.from_native(Native.profile_begin(engine)) do
      try do
        body.(&Native.profile_phase(engine, &1))
      catch
        kind, reason ->
          Native.profile_end(engine)
          :erlang.raise(kind, reason, __STACKTRACE__)
      end

      Native.profile_phase(engine, "wait")

      with {:ok, {table, trace}} <- Error.from_native(Native.profile_end(engine)),
           :ok <- write(path, trace),
           do: {:ok, title <> table}
    end
  end

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
