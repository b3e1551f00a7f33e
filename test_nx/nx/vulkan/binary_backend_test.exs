defmodule Nx.Vulkan.BinaryBackendTest do
  # Counts calls of the whole VM.
  use ExUnit.Case, async: false
  @moduletag :device

  test "nothing is computed on Nx.BinaryBackend" do
    t = Nx.iota({4, 4}, type: :f32)

    computations = [
      fn -> Nx.add(t, 1) end,
      fn -> Nx.sort(Nx.sin(t), axis: 1) end,
      fn -> Nx.argmax(t, axis: 0) end,
      fn -> Nx.take(t, Nx.tensor([2, 0])) end,
      fn -> Nx.put_slice(t, [Nx.tensor(1), 0], Nx.tensor([[5.0]])) end,
      fn -> Nx.conv(Nx.reshape(t, {1, 1, 4, 4}), Nx.iota({1, 1, 2, 2})) end,
      fn -> Nx.window_max(t, {2, 2}) end,
      fn -> Nx.cumulative_sum(t, axis: 0) end,
      fn -> Nx.reduce(t, 0, fn x, acc -> Nx.add(x, acc) end) end,
      fn -> Nx.all_close(t, t) end,
      fn -> Nx.fft(t) end,
      fn -> Nx.LinAlg.determinant(Nx.add(t, Nx.eye(4))) end,
      fn -> t |> Nx.add(Nx.eye(4)) |> Nx.LinAlg.qr() |> elem(1) end,
      fn -> Nx.Defn.grad(Nx.tensor([1.0, 2.0]), &Nx.sum(Nx.tanh(&1))) end
    ]

    for compute <- computations do
      assert calls(fn -> Nx.to_binary(compute.()) end) == []
    end
  end

  # Constants of definitions are folded by Nx itself, on Nx.BinaryBackend: none is in these.
  #
  # The functions of Nx.BinaryBackend that were called, with how often.
  defp calls(fun) do
    pattern = {Nx.BinaryBackend, :_, :_}
    Code.ensure_loaded!(Nx.BinaryBackend)
    :erlang.trace_pattern(pattern, true, [:call_count])
    fun.()
    functions = Nx.BinaryBackend.__info__(:functions)

    for {name, arity} <- functions,
        {:call_count, n} <- [:erlang.trace_info({Nx.BinaryBackend, name, arity}, :call_count)],
        is_integer(n) and n > 0,
        do: {name, arity, n}
  after
    :erlang.trace_pattern({Nx.BinaryBackend, :_, :_}, false, [:call_count])
  end
end
