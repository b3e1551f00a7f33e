defmodule Nx.Vulkan.Tensor do
  @moduledoc """
  A tensor on the device: a reference to a lazy value.

  It dies, and its memory with it, when no process refers to it any more. Two tensors are equal in
  Elixir's sense (`==`) when they are the same reference; compare values with `Nx.Vulkan.equal/2`.
  """

  @enforce_keys [:ref]
  defstruct [:ref]

  @type t :: %__MODULE__{ref: reference}

  defimpl Inspect do
    import Inspect.Algebra

    alias Nx.Vulkan.{Codec, Native, Reader}

    # Computes and reads the first elements, as many as the limit of lists.
    def inspect(%{ref: ref}, opts) do
      shape = Native.shape(ref)
      type = Native.type(ref)
      dimensions = Enum.map_join(shape, &"[#{&1}]")

      concat([
        color("#Nx.Vulkan.Tensor<", :map, opts),
        nest(
          concat([
            line(),
            color("#{type}", :atom, opts) |> concat(dimensions),
            line(),
            values(ref, type, shape, opts)
          ]),
          2
        ),
        line(),
        color(">", :map, opts)
      ])
    end

    defp values(ref, type, shape, opts) do
      count = Enum.product(shape)
      limit = if opts.limit == :infinity, do: count, else: min(count, opts.limit)

      case Reader.read(ref, limit) do
        {:ok, bytes} ->
          {text, _} = bytes |> Codec.decode(type, limit) |> nested(shape)
          string(text)

        {:error, error} ->
          string("unavailable: " <> Exception.message(error))
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
