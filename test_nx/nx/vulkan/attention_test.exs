defmodule Nx.Vulkan.AttentionTest do
  # On the device beside the default in plain Nx, on Nx.BinaryBackend; gradients too.
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Defn

  @cases [
    plain: [],
    causal: [causal: true],
    window: [causal: true, window: 3],
    window_both_ways: [window: 2, scale: 0.3],
    offset: [causal: true, offset: 1],
    offsets: [causal: true, offset: :offsets],
    lengths: [lengths: :lengths],
    soft_cap: [soft_cap: 2.0],
    mask: [mask: :mask],
    masked: [mask: :mask, masked: -2.0],
    bias: [bias: :bias],
    sinks: [sinks: :sinks, causal: true],
    everything: [mask: :mask, bias: :bias, lengths: :lengths, sinks: :sinks, soft_cap: 3.0]
  ]

  defp noise(shape, seed, type \\ :f32) do
    key = Nx.Random.key(seed)
    {t, _} = Nx.Random.uniform(key, -2.0, 2.0, shape: shape, type: :f32)
    Nx.as_type(t, type)
  end

  defp operand(:mask), do: Nx.greater(noise({7, 9}, 5), -1)
  defp operand(:bias), do: noise({4, 1, 9}, 6)
  defp operand(:sinks), do: noise({4}, 7)
  defp operand(:lengths), do: Nx.tensor([9, 4])
  defp operand(:offsets), do: Nx.tensor([0, 2])

  # Queries, keys and values, and the tensors among the options, all on BinaryBackend.
  defp call(options, type \\ :f32) do
    Nx.with_default_backend(Nx.BinaryBackend, fn ->
      factors = [
        noise({2, 4, 7, 8}, 1, type),
        noise({2, 2, 9, 8}, 2, type),
        noise({2, 2, 9, 4}, 3, type)
      ]

      {tensors, options} =
        Enum.split_with(options, fn {_, v} -> is_atom(v) and not is_boolean(v) end)

      {factors, Map.new(tensors, fn {name, v} -> {name, operand(v)} end), options}
    end)
  end

  defp attend([q, k, v], tensors, options),
    do: Nx.Vulkan.attention(q, k, v, Map.to_list(tensors) ++ options)

  defp on_device(container),
    do: Nx.Defn.Composite.traverse(container, &Nx.backend_copy(&1, Nx.Vulkan.Backend))

  defp on_host(container),
    do: Nx.Defn.Composite.traverse(container, &Nx.backend_copy(&1, Nx.BinaryBackend))

  defp assert_close(got, want, tolerance \\ 2.0e-6) do
    assert got.shape == want.shape and got.type == want.type
    difference = Nx.subtract(on_host(got), want) |> Nx.abs() |> Nx.reduce_max() |> Nx.to_number()
    assert is_number(difference) and difference <= tolerance
  end

  for {name, options} <- @cases do
    test "#{name}" do
      {factors, tensors, options} = call(unquote(options))
      want = attend(factors, tensors, options)
      eager = attend(Enum.map(factors, &on_device/1), on_device(tensors), options)
      assert_close(eager, want)

      fun = fn q, k, v, tensors -> attend([q, k, v], tensors, options) end
      compiled = Nx.Defn.jit_apply(fun, factors ++ [tensors], compiler: Nx.Vulkan)
      assert_close(compiled, want)
    end

    test "gradients of #{name}" do
      {factors, tensors, options} = call(unquote(options))
      {real, others} = Map.split(tensors, [:bias, :sinks])

      loss = fn {q, k, v, real} ->
        out = attend([q, k, v], Map.merge(real, others), options)
        weights = out.shape |> Nx.iota() |> Nx.sin()
        Nx.sum(Nx.multiply(out, weights))
      end

      # The default, without what replaces its gradient.
      plain = fn {q, k, v, real} ->
        names = [:mask, :bias, :lengths, :offsets, :sinks]
        {offset, rest} = Keyword.pop(options, :offset)
        all = Map.merge(real, others)

        all =
          if all[:offset], do: Map.put(Map.delete(all, :offset), :offsets, all.offset), else: all

        given = for name <- names, all[name], do: name
        fields = [operands: given, offset: offset] ++ rest
        struct = struct!(Nx.Vulkan.Attention.Forward, fields)

        {out, _} =
          Nx.Vulkan.Attention.Plain.forward(struct, [q, k, v | Enum.map(given, &all[&1])])

        weights = out.shape |> Nx.iota() |> Nx.sin()
        Nx.sum(Nx.multiply(out, weights))
      end

      inputs = List.to_tuple(factors ++ [real])
      gradient = fn loss -> fn inputs -> Nx.Defn.grad(inputs, loss) end end
      want = Nx.Defn.jit_apply(gradient.(plain), [inputs], compiler: Nx.Defn.Evaluator)

      got = Nx.Defn.jit_apply(gradient.(loss), [inputs], compiler: Nx.Vulkan)
      host = Nx.Defn.jit_apply(gradient.(loss), [inputs], compiler: Nx.Defn.Evaluator)

      for results <- [got, host],
          {a, b} <-
            Enum.zip(
              Nx.Defn.Composite.flatten_list([results]),
              Nx.Defn.Composite.flatten_list([want])
            ) do
        assert_close(a, b, 1.0e-5)
      end
    end
  end

  test "gradients of rows that see nothing" do
    {[q, k, v], _, _} = call([])
    mask = Nx.greater(Nx.iota({7, 9}, axis: 0, backend: Nx.BinaryBackend), 2)

    loss = fn q, k, v, mask ->
      out = Nx.Vulkan.attention(q, k, v, mask: mask, masked: -1.0e9)
      Nx.sum(Nx.multiply(out, Nx.sin(Nx.iota(out.shape))))
    end

    gradient = fn q, k, v, mask -> Nx.Defn.grad(v, &loss.(q, k, &1, mask)) end

    # The result is linear in the values: its gradient times these is the loss.
    for compiler <- [Nx.Vulkan, Nx.Defn.Evaluator] do
      want = Nx.Defn.jit_apply(loss, [q, k, v, mask], compiler: compiler)
      got = on_host(Nx.Defn.jit_apply(gradient, [q, k, v, mask], compiler: compiler))
      distance = Nx.subtract(Nx.sum(Nx.multiply(got, v)), on_host(want))
      assert abs(Nx.to_number(distance)) < 0.02
    end
  end

  test "halves" do
    for type <- [:f16, :bf16] do
      {factors, tensors, options} = call([causal: true], type)
      got = attend(Enum.map(factors, &on_device/1), tensors, options)

      assert_close(
        Nx.as_type(got, :f32),
        Nx.as_type(attend(factors, tensors, options), :f32),
        0.02
      )

      assert got.type == Nx.Type.normalize!(type)
    end
  end

  test "heads beside their columns" do
    {factors, _, _} = call([])
    [q, k, v] = inside = Enum.map(factors, &Nx.transpose(&1, axes: [0, 2, 1, 3]))
    want = factors |> attend(%{}, causal: true) |> Nx.transpose(axes: [0, 2, 1, 3])
    assert_close(attend(inside, %{}, causal: true, heads_axis: 2), want)
    assert_close(attend(Enum.map(inside, &on_device/1), %{}, causal: true, heads_axis: 2), want)

    gradient = fn inputs, options ->
      Nx.Defn.grad(inputs, fn {q, k, v} ->
        out = Nx.Vulkan.attention(q, k, v, [causal: true] ++ options)
        Nx.sum(Nx.multiply(out, out))
      end)
    end

    got = Nx.Defn.jit_apply(&gradient.(&1, heads_axis: 2), [{q, k, v}], compiler: Nx.Vulkan)
    outside = Nx.Defn.jit_apply(&gradient.(&1, []), [List.to_tuple(factors)], compiler: Nx.Vulkan)

    for {a, b} <- Enum.zip(Tuple.to_list(got), Tuple.to_list(outside)) do
      assert_close(a, Nx.transpose(on_host(b), axes: [0, 2, 1, 3]), 1.0e-6)
    end
  end

  defn(layer(q, k, v), do: Nx.Vulkan.attention(q, k, v, causal: true))

  test "in a definition it is one kernel" do
    {factors, _, _} = call([])
    text = Nx.Vulkan.explain!(&layer/3, factors)
    assert text =~ "1 kernel"
    assert text =~ "attention"
  end

  test "other types are computed in plain Nx" do
    {[q, k, v], _, _} = call([], :f64)
    want = Nx.Vulkan.attention(q, k, v)
    assert want.type == {:f, 64}
    got = attend(Enum.map([q, k, v], &on_device/1), %{}, [])
    assert_close(got, want, 1.0e-12)
  end

  test "refuses shapes and options that do not fit" do
    {[q, k, v], _, _} = call([])
    assert_raise ArgumentError, ~r/one width/, fn -> Nx.Vulkan.attention(q, v, v) end

    assert_raise ArgumentError, ~r/floats/, fn ->
      Nx.Vulkan.attention(Nx.as_type(q, :s32), k, v)
    end

    assert_raise ArgumentError, ~r/window/, fn -> Nx.Vulkan.attention(q, k, v, window: 0) end

    assert_raise ArgumentError, ~r/heads_axis/, fn ->
      Nx.Vulkan.attention(q, k, v, heads_axis: 3)
    end

    assert_raise ArgumentError, ~r/unknown/, fn -> Nx.Vulkan.attention(q, k, v, casual: true) end
  end
end
