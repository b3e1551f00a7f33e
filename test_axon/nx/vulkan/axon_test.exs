Code.require_file("../../models.exs", __DIR__)

defmodule Nx.Vulkan.AxonTest do
  use ExUnit.Case, async: true
  import Nx.Vulkan.Models
  @moduletag :device
  @moduletag :capture_log
  @moduletag timeout: :infinity

  # Without the bias that batch normalisation takes away again: its gradient is rounding errors alone,
  # of which Adam makes steps as large as any.
  defp model do
    Axon.input("image", shape: {nil, 8, 8, 1})
    |> Axon.conv(4, kernel_size: 3, padding: :same, use_bias: false)
    |> Axon.batch_norm()
    |> Axon.relu()
    |> Axon.max_pool(kernel_size: 2)
    |> Axon.flatten()
    |> Axon.dense(16, activation: :gelu)
    |> Axon.layer_norm()
    |> Axon.dropout(rate: 0.1, seed: 7)
    |> Axon.dense(3, activation: :softmax)
  end

  # Bars whose place is their class; 6 batches of 8.
  defp batches do
    for b <- 0..5 do
      classes = Nx.remainder(Nx.add(Nx.iota({8}), b), 3)
      place = Nx.quotient(Nx.iota({1, 8, 8, 1}, axis: 2), 3)
      bars = Nx.equal(place, Nx.reshape(classes, {8, 1, 1, 1}))
      noise = Nx.multiply(Nx.sin(Nx.add(Nx.iota({8, 8, 8, 1}), b)), 0.2)
      {Nx.add(bars, noise), Nx.equal(Nx.new_axis(classes, 1), Nx.iota({1, 3}))}
    end
  end

  defp trainer(model, options \\ []) do
    model
    |> Axon.Loop.trainer(:categorical_cross_entropy, Polaris.Optimizers.adam(learning_rate: 0.02),
      seed: 1,
      log: 0
    )
    |> Axon.Loop.metric(:accuracy)
    |> then(fn loop ->
      if path = options[:path], do: Axon.Loop.checkpoint(loop, path: path), else: loop
    end)
  end

  # The state of the model, and each epoch's metrics on the way to it.
  defp train(loop, compiler, epochs) do
    me = self()

    loop
    |> Axon.Loop.handle_event(:epoch_completed, fn state ->
      send(me, {:metrics, Map.new(state.metrics, fn {k, t} -> {k, Nx.to_number(t)} end)})
      {:continue, state}
    end)
    |> Axon.Loop.run(batches(), Axon.ModelState.empty(), epochs: epochs, compiler: compiler)
  end

  defp metrics do
    receive do
      {:metrics, metrics} -> [metrics | metrics()]
    after
      0 -> []
    end
  end

  test "a loop trains as on the host, with metrics, and goes on from a checkpoint" do
    path = Path.join(System.tmp_dir!(), "nxv-checkpoints-#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm_rf!(path) end)

    expected = host(fn -> train(trainer(model()), Nx.Defn.Evaluator, 3) end)
    of_host = metrics()
    state = train(trainer(model(), path: path), Nx.Vulkan, 3)
    assert [first, _, last] = metrics()
    assert_close(state.data, expected.data, 1.0e-3)

    for {here, there} <- Enum.zip([first, last], [hd(of_host), List.last(of_host)]) do
      assert_in_delta here["loss"], there["loss"], 1.0e-3
      assert_in_delta here["accuracy"], there["accuracy"], 1.0e-3
    end

    assert last["loss"] < first["loss"] / 2
    assert last["accuracy"] > 0.9

    assert [_, after_second, _] = path |> Path.join("*") |> Path.wildcard() |> Enum.sort()
    saved = after_second |> File.read!() |> Axon.Loop.deserialize_state()
    again = model() |> trainer() |> Axon.Loop.from_state(saved) |> train(Nx.Vulkan, 1)
    # Axon counts the iterations of the first epoch on, so that its accuracy is another mean.
    assert [%{"loss" => loss}] = metrics()
    assert loss == last["loss"]
    assert_close(again.data, host(fn -> copy(state.data) end), 0.0)
  end

  defp copy(%Nx.Tensor{} = t), do: Nx.backend_copy(t, Nx.BinaryBackend)
  defp copy(map), do: Map.new(map, fn {name, data} -> {name, copy(data)} end)

  test "recurrent layers, and every kind of gradient that they need" do
    model =
      Axon.input("text", shape: {nil, 5})
      |> Axon.embedding(11, 6)
      |> then(fn x -> Axon.concatenate(elem(Axon.lstm(x, 4), 0), elem(Axon.gru(x, 4), 0)) end)
      |> Axon.nx(&Nx.mean(&1, axes: [1]))
      |> Axon.dense(2, activation: :tanh)

    {_, predict} = Axon.build(model)
    text = host(fn -> Nx.tensor([[1, 2, 3, 4, 5], [10, 9, 0, 7, 6]]) end)
    weights = weights(model, text)

    loss = fn data, text ->
      Nx.sum(Nx.pow(predict.(%{weights | data: data}, text), 2))
    end

    assert_same(&Nx.Defn.value_and_grad(&1, fn data -> loss.(data, &2) end), [weights.data, text])
  end

  test "mixed precision: parameters stay f32, layers compute as the policy says" do
    for type <- [{:bf, 16}, {:f, 16}] do
      policy =
        Axon.MixedPrecision.create_policy(params: {:f, 32}, compute: type, output: {:f, 32})

      mixed = Axon.MixedPrecision.apply_policy(model(), policy, except: [:batch_norm])
      image = waves({8, 8, 8, 1})
      weights = weights(mixed, image)
      {_, predict} = Axon.build(mixed)
      # A rounding of a 16-bit type is 2^-9 of a number at most.
      assert_same(predict, [weights, image], 2.0e-2)

      {step_init, step} =
        Axon.Loop.train_step(mixed, :categorical_cross_entropy, :sgd, loss_scale: :dynamic)

      batch = hd(batches())
      state = Nx.Defn.jit_apply(step_init, [batch, Axon.ModelState.empty()], compiler: Nx.Vulkan)
      run = Nx.Defn.jit(step, compiler: Nx.Vulkan)
      states = Stream.iterate(state, &run.(batch, &1))
      first = Enum.at(states, 1)
      last = Enum.at(states, 20)
      assert Nx.to_number(last.loss) < Nx.to_number(first.loss)

      for t <- Nx.Defn.Composite.flatten_list([last.model_state.data]),
          do: assert(Nx.type(t) in [{:f, 32}, {:u, 32}])
    end
  end

  test "a serving joins batches of many processes, and streams those of one" do
    model = model()
    image = waves({1, 8, 8, 1})
    weights = weights(model, image)
    {_, predict} = Axon.build(model)

    serving =
      Nx.Serving.new(fn options -> Nx.Defn.jit(&predict.(weights, &1), options) end,
        compiler: Nx.Vulkan
      )
      |> Nx.Serving.batch_size(4)

    name = __MODULE__.Serving
    start_supervised!({Nx.Serving, serving: serving, name: name, batch_timeout: 50})
    images = for i <- 1..11, do: host(fn -> Nx.multiply(image, i / 5) end)

    expected =
      host(fn ->
        run = Nx.Defn.jit(predict, compiler: Nx.Defn.Evaluator)
        Enum.map(images, &run.(weights, &1))
      end)

    images
    |> Task.async_stream(&Nx.Serving.batched_run(name, Nx.Batch.concatenate([&1])),
      max_concurrency: 11
    )
    |> Enum.zip(expected)
    |> Enum.each(fn {{:ok, result}, there} -> assert_close(result, there) end)

    stream = Stream.map(images, &Nx.Batch.concatenate([&1]))
    streaming = Nx.Serving.streaming(serving)
    batches = for {:batch, result, _} <- Nx.Serving.run(streaming, stream), do: result
    assert Enum.map(batches, &Nx.axis_size(&1, 0)) |> Enum.sum() == 11
    assert_close(Nx.concatenate(batches), host(fn -> Nx.concatenate(expected) end))
  end
end
