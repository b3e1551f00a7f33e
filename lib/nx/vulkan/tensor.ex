defmodule Nx.Vulkan.Tensor do
  @moduledoc """
  A tensor on the device: a reference to a lazy value.

  It dies, and its memory with it, when no process refers to it any more. Two tensors are equal in
  Elixir's sense (`==`) when they are the same reference; compare values with `Nx.Vulkan.equal/2`.

  A copy in another VM, or in this one after a restart, refers to nothing: functions raise
  `ArgumentError` for it. Send and store `Nx.Vulkan.to_binary/1`.
  """

  @enforce_keys [:ref]
  defstruct [:ref]

  @type t :: %__MODULE__{ref: reference}

  defimpl Inspect do
    import Inspect.Algebra

    alias Nx.Vulkan.{Codec, Native, Reader}

    # Computes and reads the first elements, as many as the limit of lists.
    def inspect(%{ref: ref}, opts) do
      lines =
        case described(ref) do
          {:ok, type, shape} ->
            dimensions = Enum.map_join(shape, &"[#{&1}]")
            type_and_shape = concat(color("#{type}", :atom, opts), dimensions)
            [line(), type_and_shape, line(), values(ref, type, shape, opts)]

          {:error, message} ->
            [line(), unavailable(message)]
        end

      concat([
        color("#Nx.Vulkan.Tensor<", :map, opts),
        nest(concat(lines), 2),
        line(),
        color(">", :map, opts)
      ])
    end

    # A tensor of another VM has none.
    defp described(ref) do
      {:ok, Native.type(ref), Native.shape(ref)}
    rescue
      error in ArgumentError -> {:error, error.message}
    end

    defp unavailable(message), do: string("unavailable: " <> message)

    defp values(ref, type, shape, opts) do
      count = Enum.product(shape)
      limit = if opts.limit == :infinity, do: count, else: min(count, opts.limit)

      case Reader.read(ref, limit) do
        {:ok, bytes} ->
          {text, _} = bytes |> Codec.decode(type, limit) |> nested(shape)
          string(text)

        {:error, error} ->
          unavailable(Exception.message(error))
      end
    end

    # Elements in row-major order under the brackets of `shape`; "..." where they run out.
    defp nested([x | rest], []), do: {Codec.format(x), rest}
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
