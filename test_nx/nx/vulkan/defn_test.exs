defmodule Nx.Vulkan.DefnTest do
  # Sets no option of the whole VM: compilers are given to jit.
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Defn
  import Nx.Testing

  alias Nx.Vulkan.Backend

  # What takes a whole gradient: loops, branches and the operations that training needs.
  defn softmax(x) do
    e = Nx.exp(x - Nx.reduce_max(x, axes: [-1], keep_axes: true))
    e / Nx.sum(e, axes: [-1], keep_axes: true)
  end

  defn(scalar_sigmoid(x), do: Nx.sum(Nx.sigmoid(x) * x))
  defn(scalar_softmax(x), do: Nx.sum(softmax(x) * Nx.iota(Nx.shape(x))))
  defn(scalar_dot(x), do: Nx.sum(Nx.tanh(Nx.dot(x, Nx.transpose(x)))))
  defn(scalar_window(x), do: Nx.sum(Nx.pow(Nx.window_max(x, {2, 2}), 2)))
  defn(scalar_sort(x), do: Nx.sum(Nx.sort(x, axis: 1) * Nx.iota(Nx.shape(x))))
  defn(scalar_take(x), do: Nx.sum(Nx.exp(Nx.take(x, Nx.tensor([2, 0, 2])))))
  defn(scalar_cumulative(x), do: Nx.sum(Nx.pow(Nx.cumulative_sum(x, axis: 1), 2)))

  defn scalar_conv(x) do
    kernel = Nx.iota({1, 1, 2, 2}) / 4
    x |> Nx.reshape({1, 1, 3, 4}) |> Nx.conv(kernel) |> Nx.sin() |> Nx.sum()
  end

  defn scalar_inverse(x) do
    (Nx.dot(x, Nx.transpose(x)) + 3 * Nx.eye(3)) |> Nx.LinAlg.invert() |> Nx.sum()
  end

  defn scalar_loop(x) do
    {_, total} =
      while {i = 0, total = x}, i < 3 do
        {i + 1, Nx.sin(total) * 2}
      end

    Nx.sum(total)
  end

  defn scalar_branch(x) do
    cond do
      Nx.sum(x) > 100 -> Nx.sum(x)
      true -> Nx.sum(x * x * x)
    end
  end

  defn(branch(x), do: if(Nx.any(x > 3), do: x * 2, else: x - 1))

  defn factorial(n) do
    {product, _} =
      while {product = Nx.tensor(1, type: :s64), n}, n > 1 do
        {product * n, n - 1}
      end

    product
  end

  defn hooked(x) do
    {x, _} = {hook(x + 1, :seen), x}
    x * 2
  end

  defn(on_host(x), do: Nx.runtime_call(x, x, [factor: 3], &multiply/2))
  def multiply(t, factor: factor), do: Nx.multiply(Nx.backend_copy(t, Nx.BinaryBackend), factor)

  @compilers [Nx.Defn.Evaluator, Nx.Vulkan]

  describe "gradients agree with finite differences:" do
    for name <- ~w(sigmoid softmax dot window sort take cumulative conv inverse loop branch)a do
      test "#{name}" do
        function = &apply(__MODULE__, unquote(:"scalar_#{name}"), [&1])
        # Distinct values, away from the kinks of max and sort.
        x =
          Nx.tensor([[0.9, -0.4, 0.3, 0.05], [-0.8, 0.6, 0.1, 0.75], [0.2, -0.1, 0.45, -0.6]],
            type: :f64
          )

        assert_all_close(Nx.Defn.grad(x, function), differences(function, x),
          atol: 1.0e-5,
          rtol: 1.0e-5
        )
      end
    end
  end

  defp differences(function, x) do
    step = 1.0e-4

    for i <- 0..(Nx.size(x) - 1) do
      nudge = Nx.equal(Nx.iota(Nx.shape(x)), i) |> Nx.multiply(Nx.tensor(step, type: :f64))
      above = function.(Nx.add(x, nudge)) |> Nx.to_number()
      below = function.(Nx.subtract(x, nudge)) |> Nx.to_number()
      (above - below) / (2 * step)
    end
    |> Nx.tensor(type: :f64)
    |> Nx.reshape(x)
  end

  for compiler <- @compilers do
    describe "#{inspect(compiler)} runs" do
      test "branches and loops" do
        assert run(unquote(compiler), &branch/1, [Nx.tensor([1, 5])]) == [2, 10]
        assert run(unquote(compiler), &branch/1, [Nx.tensor([1, 2])]) == [0, 1]
        assert run(unquote(compiler), &factorial/1, [Nx.tensor(10, type: :s64)]) == [3_628_800]
      end

      test "hooks and calls of the host" do
        me = self()

        options = [
          compiler: unquote(compiler),
          hooks: %{seen: &send(me, {:seen, Nx.to_flat_list(&1)})}
        ]

        assert Nx.Defn.jit(&hooked/1, options).(Nx.tensor([1, 2])) |> Nx.to_flat_list() == [4, 6]
        assert_received {:seen, [2, 3]}
        assert run(unquote(compiler), &on_host/1, [Nx.tensor([1.0, 2.0])]) == [3.0, 6.0]
      end

      test "random numbers that Nx.BinaryBackend has, too" do
        draw = fn key -> Nx.Random.randint(key, 0, 1000, shape: {20}) |> elem(0) end
        ours = Nx.Defn.jit(draw, compiler: unquote(compiler)).(Nx.Random.key(7))

        theirs = Nx.with_default_backend(Nx.BinaryBackend, fn -> draw.(Nx.Random.key(7)) end)

        assert Nx.to_flat_list(ours) == Nx.to_flat_list(theirs)
      end
    end
  end

  defp run(compiler, function, args),
    do: Nx.Defn.jit_apply(function, args, compiler: compiler) |> Nx.to_flat_list()

  describe "the compiler" do
    test "brings tensors of Nx.BinaryBackend to the device, and answers there" do
      x = Nx.tensor([1.0, 2.0], backend: Nx.BinaryBackend)
      y = Nx.Defn.jit(&softmax/1, compiler: Nx.Vulkan).(x)
      assert %Backend{} = y.data
      assert {Backend, []} = Nx.Defn.to_backend(compiler: Nx.Vulkan)
    end
  end

  test "a serving runs on the device" do
    serving =
      Nx.Serving.jit(&Nx.multiply(&1, 2), compiler: Nx.Vulkan)
      |> Nx.Serving.batch_size(4)

    batch = Nx.Batch.stack([Nx.tensor([1, 2]), Nx.tensor([3, 4])])
    assert Nx.Serving.run(serving, batch) |> Nx.to_flat_list() == [2, 4, 6, 8]

    start_supervised!({Nx.Serving, serving: serving, name: __MODULE__.Serving, batch_timeout: 10})

    results =
      1..8
      |> Task.async_stream(fn i ->
        Nx.Serving.batched_run(__MODULE__.Serving, Nx.Batch.stack([Nx.tensor([i])]))
        |> Nx.to_flat_list()
      end)
      |> Enum.map(fn {:ok, list} -> list end)

    assert results == for(i <- 1..8, do: [2 * i])
  end
end
