Code.require_file("../../../test/crossings.exs", __DIR__)

defmodule Nx.Vulkan.CrossingsTest do
  use ExUnit.Case
  @moduletag :device

  alias Nx.Vulkan.Crossings

  test "an operation crosses the NIF once" do
    a = Nx.reverse(Nx.tensor([[1.0, 2.0], [3.0, 4.0]]))
    i = Nx.reverse(Nx.tensor([1, 0]))
    number = Nx.tensor(1)

    for {name, fun} <- [
          unary: fn -> Nx.exp(a) end,
          binary: fn -> Nx.add(a, a) end,
          binary: fn -> Nx.add(a, i) end,
          binary: fn -> Nx.greater(a, i) end,
          # Numbers that are tensors already.
          binary: fn -> Nx.add(a, number) end,
          binary: fn -> Nx.less(number, a) end,
          ternary: fn -> Nx.select(a, a, a) end,
          cast: fn -> Nx.as_type(a, :f16) end,
          reshape: fn -> Nx.reshape(a, {4}) end,
          reverse: fn -> Nx.reverse(a) end,
          transpose: fn -> Nx.transpose(a) end,
          broadcast: fn -> Nx.broadcast(i, {3, 2}) end,
          concatenate: fn -> Nx.concatenate([a, a]) end,
          slice: fn -> Nx.slice(a, [0, 1], [1, 1]) end,
          reduce: fn -> Nx.sum(a) end,
          reduce: fn -> Nx.reduce_max(i) end,
          dot: fn -> Nx.dot(a, a) end,
          iota: fn -> Nx.iota({3}) end,
          constant: fn -> Nx.tensor(1) end,
          from_binary: fn -> Nx.tensor([1, 2]) end,
          call: fn -> Nx.sort(a) end,
          call: fn -> Nx.argmax(a) end,
          call: fn -> Nx.take(a, i) end,
          call: fn -> Nx.cumulative_sum(a) end,
          call: fn -> Nx.LinAlg.cholesky(a) end,
          call: fn -> Nx.LinAlg.qr(a) end,
          read: fn -> Nx.to_binary(a) end
        ] do
      assert {name, Crossings.of(fun)} == {name, [name]}
    end

    # A number in Elixir becomes a tensor first.
    assert Crossings.of(fn -> Nx.add(a, 1) end) == [:constant, :binary]
    assert Crossings.of(fn -> {Nx.shape(a), Nx.backend_transfer(a, Nx.Vulkan.Backend)} end) == []
  end
end
