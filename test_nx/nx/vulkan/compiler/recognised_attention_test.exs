defmodule Nx.Vulkan.Compiler.RecognisedAttentionTest do
  # Attention in plain Nx, as models write it: the values of Nx.BinaryBackend, and one step where the device
  # is a GPU.
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Defn

  alias Nx.Vulkan, as: V

  defn softmax(x) do
    e = Nx.exp(x - Nx.reduce_max(x, axes: [-1], keep_axes: true))
    e / Nx.sum(e, axes: [-1], keep_axes: true)
  end

  # Axon.Activations.softmax
  defn stable_softmax(x) do
    e = Nx.exp(x - stop_grad(Nx.reduce_max(x, axes: [-1], keep_axes: true)))
    Nx.multiply(1 / Nx.sum(e, axes: [-1], keep_axes: true), e)
  end

  # A layer of GPT-2 of four heads: x {b, s, 32}, the product for queries, keys and values {32, 96}.
  defn gpt(x, wqkv) do
    {b, s, w} = Nx.shape(x)

    qkv =
      Nx.dot(x, wqkv)
      |> Nx.reshape({b, s, 3, 4, div(w, 4)})
      |> Nx.transpose(axes: [2, 0, 3, 1, 4])

    scores = Nx.dot(qkv[0], [3], [0, 1], qkv[1], [3], [0, 1]) / 2.5
    mask = Nx.iota({s, s}, axis: 0) >= Nx.iota({s, s}, axis: 1)
    low = Nx.as_type(-1.0e9, Nx.type(scores))
    scores = Nx.select(Nx.broadcast(mask, Nx.shape(scores)), scores, low)
    o = Nx.dot(softmax(scores), [3], [0, 1], qkv[2], [2], [0, 1])
    o |> Nx.transpose(axes: [0, 2, 1, 3]) |> Nx.reshape({b, s, w})
  end

  # A token over a cache, two groups of heads: q {1, 8, 1, 16}, caches {1, 2, length, 16}.
  defn llama(q, kc, vc, k, position) do
    kc = Nx.put_slice(kc, [0, 0, position, 0], k)
    q = Nx.reshape(q, {1, 2, 4, 16})
    scores = Nx.dot(q, [3], [0, 1], kc, [3], [0, 1]) |> Nx.as_type(:f32)
    seen = Nx.iota(Nx.shape(scores), axis: 3) <= position
    scores = Nx.select(seen, scores / 4.0, -1.0e30)
    weights = Nx.as_type(softmax(scores), Nx.type(q))
    Nx.dot(weights, [3], [0, 1], vc, [2], [0, 1])
  end

  # Positions are numbers that the host counts.
  defn generate(q, kc, vc, k, count) do
    {o, _, _, _, _, _, _} =
      while {o = Nx.reshape(q, {1, 2, 4, 16}), q, kc, vc, k, i = 0, count}, i < count do
        {llama(q + Nx.reshape(o, Nx.shape(q)), kc, vc, k, i), q, kc, vc, k, i + 1, count}
      end

    o
  end

  # Bumblebee's: heads within positions, queries scaled, the masks of positions and of padding in a bias.
  defn bumblebee(query, key, value, key_mask) do
    scale = Nx.as_type(Nx.sqrt(Nx.axis_size(query, 3)), Nx.type(query))
    query = Nx.transpose(query, axes: [0, 2, 1, 3]) / scale
    key = Nx.transpose(key, axes: [0, 2, 1, 3])
    value = Nx.transpose(value, axes: [0, 2, 1, 3])
    weights = Nx.dot(query, [3], [0, 1], key, [3], [0, 1])
    {_, _, q, k} = Nx.shape(weights)

    causal =
      Nx.greater_equal(Nx.iota({q, 1}), Nx.iota({1, k})) |> Nx.new_axis(0) |> Nx.new_axis(0)

    mask = Nx.logical_and(causal, key_mask |> Nx.new_axis(1) |> Nx.new_axis(1))
    bias = Nx.select(mask, 0, Nx.as_type(-1.0e10, Nx.type(weights)))
    weights = stable_softmax(weights + bias)
    Nx.dot(weights, [3], [0, 1], value, [2], [0, 1]) |> Nx.transpose(axes: [0, 2, 1, 3])
  end

  # Losses and their gradients, as steps of training compute them.
  defn(gpt_step(x, wqkv),
    do: value_and_grad({x, wqkv}, fn {x, wqkv} -> gpt(x, wqkv) |> Nx.sin() |> Nx.mean() end)
  )

  defn bumblebee_step(q, k, v, mask) do
    value_and_grad({q, k, v}, fn {q, k, v} ->
      bumblebee(q, k, v, mask) |> Nx.as_type(:f32) |> Nx.sin() |> Nx.mean()
    end)
  end

  # Weights of which some are dropped.
  defn dropout_step(q, k, v, kept) do
    value_and_grad({q, k, v}, fn {q, k, v} ->
      weights = softmax(Nx.dot(q, [3], [0, 1], k, [3], [0, 1]))
      dropped = Nx.select(kept, weights / 0.5, Nx.as_type(0, Nx.type(weights)))
      Nx.dot(dropped, [3], [0, 1], v, [2], [0, 1]) |> Nx.sin() |> Nx.mean()
    end)
  end

  defn with_weights(q, k, v) do
    weights = softmax(Nx.dot(q, [3], [0, 1], k, [3], [0, 1]))
    {Nx.dot(weights, [3], [0, 1], v, [2], [0, 1]), weights}
  end

  defp noise(shape, seed, type) do
    Nx.with_default_backend(Nx.BinaryBackend, fn ->
      {t, _} = Nx.Random.uniform(Nx.Random.key(seed), -1.0, 1.0, shape: shape, type: :f32)
      Nx.as_type(t, type)
    end)
  end

  defp assert_attention(definition, args, tolerance) do
    host = Nx.Defn.jit_apply(definition, args, compiler: Nx.Defn.Evaluator)
    args = Enum.map(args, &Nx.backend_copy(&1, Nx.Vulkan.Backend))
    device = Nx.Defn.jit_apply(definition, args, compiler: V)

    for {device, host} <- Enum.zip(flat(device), flat(host)) do
      assert Nx.type(device) == Nx.type(host)
      distance = Nx.subtract(Nx.backend_copy(device, Nx.BinaryBackend), host)
      assert distance |> Nx.abs() |> Nx.reduce_max() |> Nx.to_number() <= tolerance
    end

    assert recognised?(definition, args) == gpu?()
  end

  defp flat(tensors), do: Nx.Defn.Composite.flatten_list([tensors])

  defp recognised?(definition, args),
    do: V.explain!(definition, args) =~ ~r/step \d+: attention;/

  defp gpu?, do: not (V.describe!() =~ ~r/profile\s+cpu/)

  test "causal heads of one product" do
    args = [noise({2, 24, 32}, 1, :f16), noise({32, 96}, 2, :f16)]
    assert_attention(&gpt/2, args, 1.0e-2)
    args = [noise({2, 24, 32}, 1, :bf16), noise({32, 96}, 2, :bf16)]
    assert_attention(&gpt/2, args, 8.0e-2)
  end

  test "a token over a cache" do
    for type <- [:f32, :bf16], position <- [0, 77, 159] do
      args = [
        noise({1, 8, 1, 16}, 1, type),
        noise({1, 2, 160, 16}, 2, type),
        noise({1, 2, 160, 16}, 3, type),
        noise({1, 2, 1, 16}, 4, type),
        Nx.tensor(position, backend: Nx.BinaryBackend)
      ]

      assert_attention(&llama/5, args, if(type == :f32, do: 1.0e-6, else: 1.0e-2))
    end
  end

  test "tokens in a loop" do
    args = [
      noise({1, 8, 1, 16}, 1, :f32),
      noise({1, 2, 160, 16}, 2, :f32),
      noise({1, 2, 160, 16}, 3, :f32),
      noise({1, 2, 1, 16}, 4, :f32),
      Nx.tensor(7, backend: Nx.BinaryBackend)
    ]

    assert_attention(&generate/5, args, 2.0e-6)
  end

  test "heads within positions, padded" do
    mask = Nx.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]], backend: Nx.BinaryBackend)
    factor = &noise({2, 6, 4, 8}, &1, :bf16)
    assert_attention(&bumblebee/4, [factor.(1), factor.(2), factor.(3), mask], 2.0e-2)
  end

  test "weights that are returned are computed" do
    factors = for seed <- 1..3, do: noise({2, 2, 8, 8}, seed, :f16)
    refute recognised?(&with_weights/3, factors)
  end

  for {type, tolerance} <- [f32: 1.0e-6, f16: 2.0e-4, bf16: 2.0e-3] do
    test "causal heads of one product and their gradients, #{type}" do
      args = [noise({2, 24, 32}, 1, unquote(type)), noise({32, 96}, 2, unquote(type))]
      assert_attention(&gpt_step/2, args, unquote(tolerance))
      assert gradients?(&gpt_step/2, args) == gpu?()
    end
  end

  test "padded heads within positions and their gradients" do
    mask = Nx.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]], backend: Nx.BinaryBackend)
    factor = &noise({2, 6, 4, 8}, &1, :bf16)
    args = [factor.(1), factor.(2), factor.(3), mask]
    assert_attention(&bumblebee_step/4, args, 1.0e-3)
    assert gradients?(&bumblebee_step/4, args) == gpu?()
  end

  test "weights of which some are dropped stay" do
    factors = for seed <- 1..3, do: noise({2, 2, 8, 8}, seed, :bf16)
    kept = Nx.greater(noise({2, 2, 8, 8}, 4, :f32), 0)
    refute recognised?(&dropout_step/4, factors ++ [kept])
  end

  # Of a sum the gradient does not need the result.
  test "gradients without the result read weights" do
    args = [noise({2, 24, 32}, 1, :f16), noise({32, 96}, 2, :f16)]
    refute recognised?(&grad(&1, fn x -> Nx.sum(gpt(x, &2)) end), args)
  end

  defp gradients?(definition, args),
    do: V.explain!(definition, args) =~ ~r/step \d+: attention_gradient;/
end
