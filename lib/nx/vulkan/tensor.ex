defmodule Nx.Vulkan.Tensor do
  @moduledoc """
  A tensor on the device: a reference to a lazy value.

  It dies, and its memory with it, when no process refers to it any more. Two tensors are equal in
  Elixir's sense (`==`) when they are the same reference; compare values with `Nx.Vulkan.equal/2`.

  `type` and `shape` are those of the value. `ref` and `engine` belong to the library.

  A copy in another VM, or in this one after a restart, refers to nothing: functions that need its
  value raise `ArgumentError`. Send and store `Nx.Vulkan.to_binary/1`.
  """

  @enforce_keys [:ref, :type, :shape, :engine]
  defstruct [:ref, :type, :shape, :engine]

  @type t :: %__MODULE__{
          ref: reference,
          type: Nx.Vulkan.Type.t(),
          shape: tuple,
          engine: reference
        }

  defimpl Inspect do
    import Inspect.Algebra

    alias Nx.Vulkan.{Codec, Number, Reader}

    # Computes and reads the first elements, as many as the limit of lists.
    def inspect(%{type: type, shape: shape} = tensor, opts) do
      dimensions = shape |> Tuple.to_list() |> Enum.map_join(&"[#{&1}]")
      type_and_shape = concat(color("#{type}", :atom, opts), dimensions)

      lines =
        case values(tensor, opts) do
          {:ok, values} -> [line(), type_and_shape, line(), string(values)]
          {:error, error} -> [line(), type_and_shape, line(), unavailable(error)]
          {:foreign, error} -> [line(), unavailable(error)]
        end

      concat([
        color("#Nx.Vulkan.Tensor<", :map, opts),
        nest(concat(lines), 2),
        line(),
        color(">", :map, opts)
      ])
    end

    defp unavailable(error), do: string("unavailable: " <> Exception.message(error))

    defp values(%{type: type, shape: shape} = tensor, opts) do
      count = Tuple.product(shape)
      limit = if opts.limit == :infinity, do: count, else: min(count, opts.limit)

      with {:ok, bytes} <- Reader.read(tensor, limit) do
        {text, _} = bytes |> Codec.decode(type, limit) |> nested(Tuple.to_list(shape))
        {:ok, text}
      end
    rescue
      # The tensor is of another VM.
      error in ArgumentError -> {:foreign, error}
    end

    # Elements in row-major order under the brackets of `shape`; "..." where they run out.
    defp nested([x | rest], []), do: {Number.format(x), rest}
    defp nested([], _), do: {"...", []}

    defp nested(values, [n | shape]) do
      {items, rest} = items(values, n, shape, [])
      {"[" <> Enum.join(items, ", ") <> "]", rest}
    end

    defp items(rest, 0, _shape, items), do: {Enum.reverse(items), rest}
    defp items([], _n, _shape, items), do: {Enum.reverse(["..." | items]), []}

    defp items(values, n, shape, items) do
      {item, rest} = nested(values, shape)
      items(rest, n - 1, shape, [item | items])
    end
  end
end
