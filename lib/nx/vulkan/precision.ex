defmodule Nx.Vulkan.Precision do
  @moduledoc false
  # How products of f32 are computed: :accurate, or :fast on devices with matrix units.

  alias Nx.Vulkan.Error

  @type t :: :accurate | :fast

  @doc "What `config :nx_vulkan, precision:` says. Read at every call, as all of the configuration is."
  @spec configured() :: t
  def configured do
    case Application.get_env(:nx_vulkan, :precision, :accurate) do
      known when known in [:accurate, :fast] ->
        known

      other ->
        raise ArgumentError,
              "config :nx_vulkan, precision: must be :accurate or :fast, got: #{inspect(other)}"
    end
  end

  @doc "A precision that a caller names; nil stays nil."
  @spec validate(term) :: {:ok, t | nil} | {:error, Error.t()}
  def validate(precision) when precision in [:accurate, :fast, nil], do: {:ok, precision}

  def validate(other) do
    Error.new(
      :invalid_argument,
      "precision: expected :accurate or :fast, got #{inspect(other)}"
    )
  end

  @doc "As the library counts them."
  @spec to_native(t) :: 0 | 1
  def to_native(:accurate), do: 0
  def to_native(:fast), do: 1
end
