defmodule Nx.Vulkan.Value do
  @moduledoc false
  # From a call of the NIF to what it makes: the one way for Nx.Vulkan and Nx.Vulkan.Backend.

  alias Nx.Vulkan.{Device, Error, Memory, Native, SlowPath, Telemetry, Tensor}

  @type made :: Tensor.t() | [Tensor.t()] | term

  @doc """
  What `constructor` makes: a tensor, a list of them or of their references, or another term. When
  memory is exhausted it is called once more, after garbage was collected; garbage is collected as
  well when the NIF asks for that. `owner`, an engine or a tensor's reference, tells whose memory is needed; nil that it may be
  any engine's.
  """
  @spec make(reference | nil, (() -> tuple)) :: {:ok, made} | {:error, Error.t()}
  def make(owner \\ nil, constructor) do
    case Memory.retry(owner, constructor) do
      {:ok, answer} ->
        {:ok, value(answer)}

      {:ok, answer, :pressure} ->
        answer |> List.wrap() |> hd() |> reference() |> Memory.relieve()
        {:ok, value(answer)}

      error ->
        Error.from_native(error)
    end
  end

  @doc "A value from the bytes of the host layout."
  @spec upload(reference, atom, [pos_integer], binary) :: {:ok, Tensor.t()} | {:error, Error.t()}
  def upload(engine, type, dims, bytes) do
    Telemetry.upload(engine, byte_size(bytes), fn ->
      make(engine, fn -> Native.from_binary(engine, type, dims, bytes) end)
    end)
  end

  @doc "A constructor that needs the engine of a device."
  @spec create(Device.device(), (reference -> tuple)) :: {:ok, made} | {:error, Error.t()}
  def create(device, constructor) do
    with {:ok, engine} <- Device.engine(device: device),
         do: make(engine, fn -> constructor.(engine) end)
  end

  defp reference({ref, _type, _shape, _engine}), do: ref
  defp reference(ref), do: ref

  # Of types and shapes that the caller knows, references are all there is. Numbers are no work.
  defp value({ref, type, shape, engine}) do
    if type in [:f64, :c128] and shape != {}, do: SlowPath.f64(engine)
    %Tensor{ref: ref, type: type, shape: shape, engine: engine}
  end

  defp value([ref | _] = refs) when is_reference(ref), do: refs
  defp value(list) when is_list(list), do: Enum.map(list, &value/1)
  defp value(other), do: other
end
