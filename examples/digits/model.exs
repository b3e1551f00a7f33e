defmodule Digits.Model do
  @moduledoc false
  # Two dense layers, 64 to 128 to 10, cross-entropy of a softmax, and Adam (Kingma and Ba, 2015).

  import Nx.Defn

  @rate 5.0e-3
  @beta1 0.9
  @beta2 0.999
  @epsilon 1.0e-8

  @doc "Parameters from a random key, and Adam's moments and step count."
  defn init(key) do
    # He et al., 2015: standard deviation sqrt(2 / inputs) for rectified layers.
    {w1, key} = Nx.Random.normal(key, 0.0, Nx.sqrt(2 / 64), shape: {64, 128})
    {w2, _key} = Nx.Random.normal(key, 0.0, Nx.sqrt(2 / 128), shape: {128, 10})
    zero1 = Nx.broadcast(0.0, {128})
    zero2 = Nx.broadcast(0.0, {10})
    parameters = {w1, zero1, w2, zero2}
    zeros = {w1 * 0, zero1, w2 * 0, zero2}
    {parameters, zeros, zeros, 0}
  end

  @doc "The scores of the ten digits."
  defn logits({w1, b1, w2, b2}, images) do
    images |> Nx.dot(w1) |> Nx.add(b1) |> Nx.max(0) |> Nx.dot(w2) |> Nx.add(b2)
  end

  defn loss(parameters, images, labels) do
    scores = logits(parameters, images)
    scores = scores - Nx.reduce_max(scores, axes: [1], keep_axes: true)
    log_sum = scores |> Nx.exp() |> Nx.sum(axes: [1]) |> Nx.log()
    hot = Nx.equal(labels, Nx.iota({1, 10}))
    Nx.mean(log_sum - Nx.sum(scores * hot, axes: [1]))
  end

  @doc "One step of Adam on a batch: the new state and the loss before it."
  defn step({parameters, first, second, count}, images, labels) do
    {loss, gradient} = value_and_grad(parameters, &loss(&1, images, labels))
    count = count + 1

    {w1, b1, w2, b2} = parameters
    {mw1, mb1, mw2, mb2} = first
    {vw1, vb1, vw2, vb2} = second
    {gw1, gb1, gw2, gb2} = gradient

    {w1, mw1, vw1} = adam(w1, mw1, vw1, gw1, count)
    {b1, mb1, vb1} = adam(b1, mb1, vb1, gb1, count)
    {w2, mw2, vw2} = adam(w2, mw2, vw2, gw2, count)
    {b2, mb2, vb2} = adam(b2, mb2, vb2, gb2, count)

    state = {{w1, b1, w2, b2}, {mw1, mb1, mw2, mb2}, {vw1, vb1, vw2, vb2}, count}
    {state, loss}
  end

  defnp adam(parameter, first, second, gradient, count) do
    first = @beta1 * first + (1 - @beta1) * gradient
    second = @beta2 * second + (1 - @beta2) * gradient * gradient
    mean = first / (1 - Nx.pow(@beta1, count))
    deviation = Nx.sqrt(second / (1 - Nx.pow(@beta2, count)))
    {parameter - @rate * mean / (deviation + @epsilon), first, second}
  end

  @doc "The share of images whose highest score is their digit's."
  defn accuracy({parameters, _, _, _}, images, labels) do
    parameters
    |> logits(images)
    |> Nx.argmax(axis: 1, keep_axis: true)
    |> Nx.equal(labels)
    |> Nx.mean()
  end
end
