defmodule Nx.Vulkan.Compiler.InPlaceTest do
  # What loops write. Counts the bytes of the whole VM.
  use ExUnit.Case, async: false
  @moduletag :device

  import Nx.Defn

  @rows 1024
  @columns 256
  @bytes 4 * @rows * @columns

  defn fill(x, rounds) do
    {_, _, x} =
      while {i = 0, rounds, x}, i < rounds do
        row = Nx.broadcast(Nx.as_type(i, :f32), {1, Nx.axis_size(x, 1)})
        {i + 1, rounds, Nx.put_slice(x, [i, 0], row)}
      end

    x
  end

  defp written(fun, arguments) do
    before = Nx.Vulkan.counters!().bytes_written
    result = Nx.Defn.jit_apply(fun, arguments, compiler: Nx.Vulkan)
    rows = result |> Nx.slice_along_axis(3, 1, axis: 1) |> Nx.to_flat_list()
    {rows, Nx.Vulkan.counters!().bytes_written - before}
  end

  test "slices that a loop puts are all that it writes, but for one copy of what the caller holds" do
    x = Nx.broadcast(Nx.tensor(-1.0, backend: Nx.Vulkan.Backend), {@rows, @columns})
    assert Nx.to_number(x[0][0]) == -1.0
    {rows, bytes} = written(&fill/2, [x, 100])
    assert rows == Enum.map(0..(@rows - 1), &if(&1 < 100, do: 1.0 * &1, else: -1.0))
    # The argument may have been pending.
    assert bytes < 2.5 * @bytes
    assert Nx.to_number(x[5][5]) == -1.0
  end

  test "explain tells" do
    text = Nx.Vulkan.explain!(&fill/2, [Nx.template({@rows, @columns}, :f32), 100])
    assert text =~ ~r/stores into argument \d, or a copy of it where somebody else holds it/
  end
end
