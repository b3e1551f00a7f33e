defmodule Nx.Vulkan.Compiler.Explain do
  @moduledoc false
  # What a definition is compiled to, for people: a compiler that compiles as Nx.Vulkan.Compiler does
  # and answers with its program instead of running it.

  @behaviour Nx.Defn.Compiler

  alias Nx.Vulkan.{Api, Compiler, Device, Error, Native, Precision}
  alias Nx.Vulkan.Compiler.{Program, Script, Source}

  @defaults [format: :text, device: nil, memory_budget: nil, precision: nil, hooks: %{}]

  @doc "`{:ok, text}` or an error."
  @spec explain(fun, [term], keyword) :: {:ok, String.t()} | {:error, Error.t()}
  def explain(fun, args, options) do
    with {:ok, options} <- Api.options(options, @defaults),
         {:ok, svg?} <- svg?(options[:format]),
         {:ok, place} <- Device.validate(Keyword.take(options, [:device, :memory_budget])),
         {:ok, precision} <- Precision.validate(options[:precision]) do
      place = place ++ [hooks: options[:hooks], precision: precision]
      fun |> program(args, place) |> text(Source.of(fun), svg?)
    end
  end

  defp svg?(:text), do: {:ok, false}
  defp svg?(:svg), do: {:ok, true}

  defp svg?(other),
    do: Error.new(:invalid_argument, "format: expected :text or :svg, got #{inspect(other)}")

  defp text(%Program{function: %Script{} = script}, name, false) do
    parts = Script.parts(script)

    head =
      name <>
        ": calls functions of the host in its midst (Nx.runtime_call/4, or a hook in a loop or a " <>
        "branch); #{length(parts)} part(s) between them, whose arguments are numbered by themselves\n"

    parts
    |> Enum.with_index(1)
    |> Enum.reduce_while({:ok, head}, fn {{function, arguments}, i}, {:ok, text} ->
      numbers = Enum.to_list(0..(arguments - 1)//1)

      case Error.from_native(Native.explain_function(function, false, "part #{i}", numbers)) do
        {:ok, part} -> {:cont, {:ok, text <> part}}
        error -> {:halt, error}
      end
    end)
  end

  defp text(%Program{function: %Script{}}, name, true),
    do: Error.new(:unsupported, name <> " is several programs: it calls functions of the host")

  defp text(%Program{function: nil}, name, false), do: {:ok, name <> ": nothing to compute\n"}

  defp text(%Program{function: nil}, name, true),
    do: Error.new(:unsupported, name <> " is no program: there is nothing to compute")

  defp text(%Program{} = program, name, svg?) do
    name =
      case length(program.calls) do
        0 -> name
        1 -> name <> ", then a hook"
        n -> name <> ", then #{n} hooks"
      end

    Error.from_native(Native.explain_function(program.function, svg?, name, program.used))
  end

  # ---- The compiler ----

  defp program(fun, args, options) do
    Nx.Defn.compile(fun, args, [compiler: __MODULE__] ++ options)
  catch
    {__MODULE__, program} -> program
  end

  @impl true
  def __compile__(key, vars, fun, opts),
    do: throw({__MODULE__, Compiler.program(key, vars, fun, opts)})

  @impl true
  def __jit__(key, vars, fun, _args, opts), do: __compile__(key, vars, fun, opts)

  @impl true
  defdelegate __partitions_options__(opts), to: Compiler

  @impl true
  defdelegate __to_backend__(opts), to: Compiler
end
