defmodule Nx.Vulkan.Error do
  @moduledoc """
  Raised by the functions of `Nx.Vulkan` that end in `!`.

  `reason` is what the function without `!` answers in `{:error, reason}`; `message` says what was
  wrong and what to do.

  | reason | meaning |
  | --- | --- |
  | `:invalid_argument` | a shape, type, axis or option that the operation does not accept |
  | `:size_mismatch` | shapes, or numbers of elements, that do not belong together |
  | `:empty_tensor` | a tensor without elements |
  | `:alloc_failed` | device memory, or the memory budget, is exhausted; the device stays usable |
  | `:device_lost` | the engine is closed or its device is gone; see `Nx.Vulkan.close/0` |
  | `:no_device` | no Vulkan loader, or no device that meets the requirements |
  | `:unsupported` | the device lacks a capability |
  | `:out_of_bounds` | an index that depends on data lies outside the tensor |
  | `:arithmetic` | an integer division by zero, a negative exponent of an integer |
  | `:negative_shift` | a shift by a negative amount |
  | `:singular` | a system of equations with a singular matrix |
  | `:deallocated` | the tensor was given to `Nx.Vulkan.deallocate/1`, or up to a call or another device |
  | `:internal` | a defect of this library |
  """

  @type reason ::
          :invalid_argument
          | :size_mismatch
          | :empty_tensor
          | :alloc_failed
          | :device_lost
          | :no_device
          | :unsupported
          | :out_of_bounds
          | :arithmetic
          | :negative_shift
          | :singular
          | :deallocated
          | :internal

  @type t :: %__MODULE__{reason: reason, message: String.t()}

  defexception [:reason, :message]

  @impl true
  def message(%__MODULE__{reason: reason, message: message}), do: "#{message} (#{reason})"

  @doc false
  @spec new(reason, String.t()) :: {:error, t}
  def new(reason, message), do: {:error, %__MODULE__{reason: reason, message: message}}

  @doc false
  # What the NIF answers, with an error in place of its reason and message.
  @spec from_native(tuple | :ok) :: tuple | :ok
  def from_native({:error, reason, message}), do: new(reason, message)
  def from_native(ok), do: ok

  @doc false
  # The exception that Nx's own backend raises where only the data can be wrong.
  @spec for_nx(t) :: Exception.t()
  def for_nx(%__MODULE__{reason: reason, message: message})
      when reason in [:out_of_bounds, :negative_shift, :singular, :invalid_argument],
      do: ArgumentError.exception(message)

  def for_nx(%__MODULE__{reason: :arithmetic, message: message}),
    do: ArithmeticError.exception(message)

  def for_nx(error), do: error
end
