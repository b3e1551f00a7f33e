defmodule Nx.Vulkan.Reader do
  @moduledoc false
  # Values from the device: one request, one message.

  alias Nx.Vulkan.{Error, Memory, Native, Telemetry, Tensor}

  @doc "The first `limit` elements (-1: all) as the bytes of the host layout."
  @spec read(Tensor.t(), integer) :: {:ok, binary} | {:error, Error.t()}
  def read(%Tensor{ref: ref, engine: engine}, limit \\ -1) do
    Telemetry.evaluation(:read, engine, fn ->
      ref |> Memory.retry(fn -> request(ref, limit) end) |> Error.from_native()
    end)
  end

  @doc "Computes the value and waits until it is stored."
  @spec evaluate(Tensor.t()) :: :ok | {:error, Error.t()}
  def evaluate(%Tensor{ref: ref, engine: engine}) do
    Telemetry.evaluation(:eval, engine, fn ->
      ref |> Memory.retry(fn -> request_evaluation(ref) end) |> Error.from_native()
    end)
  end

  defp request_evaluation(ref) do
    with :ok <- Native.evaluate(ref), {:ok, _} <- request(ref, 1), do: :ok
  end

  # The reference is made here so that the receive skips messages that were queued before it.
  defp request(tensor, limit) do
    ref = make_ref()
    :ok = Native.read(tensor, limit, ref)

    receive do
      {^ref, result} -> result
    end
  end
end
