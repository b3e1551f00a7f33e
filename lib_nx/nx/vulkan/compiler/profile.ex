defmodule Nx.Vulkan.Compiler.Profile do
  @moduledoc false
  # Calls of a definition, measured.

  alias Nx.Vulkan.{Api, Compiler, Device, Error, Inspection, Precision}
  alias Nx.Vulkan.Compiler.Source

  @defaults [trace: nil, format: :text, runs: 1, device: nil, memory_budget: nil] ++
              [precision: nil, hooks: %{}]

  @doc "`{:ok, text}` or an error."
  @spec profile(fun, [term], keyword) :: {:ok, String.t()} | {:error, Error.t()}
  def profile(fun, args, options) do
    with {:ok, options} <- Api.options(options, @defaults),
         :ok <- runs(options[:runs]),
         {:ok, place} <- Device.validate(Keyword.take(options, [:device, :memory_budget])),
         {:ok, precision} <- Precision.validate(options[:precision]) do
      engine = Compiler.engine(place)
      compiler = [compiler: Nx.Vulkan, hooks: options[:hooks], precision: precision] ++ place

      Inspection.measure(engine, Source.of(fun), options, fn phase ->
        phase.("build")
        compiled = Nx.Defn.compile(fun, args, compiler)
        phase.("call")
        Enum.reduce(1..options[:runs], nil, fn _, _ -> apply(compiled, args) end)
      end)
    end
  end

  defp runs(runs) when is_integer(runs) and runs > 0, do: :ok

  defp runs(other) do
    Error.new(:invalid_argument, "runs: expected a positive number, got #{inspect(other)}")
  end
end
