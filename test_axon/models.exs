defmodule Nx.Vulkan.Models do
  @moduledoc """
  Models with weights that a seed decides, and what BinaryBackend and
  Nx.Defn.Evaluator say of them.
  """
  import ExUnit.Assertions

  def host(fun), do: Nx.with_default_backend(Nx.BinaryBackend, fun)

  @doc """
  Initial weights on BinaryBackend, moved so that no scale is 1 and no bias 0. Vectors, of which some are
  variances, only grow.
  """
  def weights(model, template) do
    host(fn ->
      {init, _} = Axon.build(model, compiler: Nx.Defn.Evaluator, seed: 1)
      state = init.(template, Axon.ModelState.empty())
      %{state | data: moved(state.data)}
    end)
  end

  defp moved(%Nx.Tensor{type: {kind, _}} = t) when kind in [:f, :bf] do
    wave = t |> Nx.shape() |> Nx.iota(type: :f32) |> Nx.multiply(0.7) |> Nx.sin()
    wave = if Nx.rank(t) > 1, do: wave, else: Nx.abs(wave)
    wave |> Nx.multiply(0.2) |> Nx.add(t)
  end

  defp moved(%Nx.Tensor{} = t), do: t
  defp moved(map), do: Map.new(map, fn {name, data} -> {name, moved(data)} end)

  @doc "Numbers in -1..1 that do not repeat."
  def waves(shape),
    do: host(fn -> shape |> Nx.iota(type: :f32) |> Nx.multiply(0.7) |> Nx.sin() end)

  @doc "Results of `fun` by the compiler, which are those on BinaryBackend to `tolerance`."
  def assert_same(fun, args, tolerance \\ 1.0e-4) do
    expected = host(fn -> Nx.Defn.jit_apply(fun, args, compiler: Nx.Defn.Evaluator) end)
    results = Nx.Defn.jit_apply(fun, args, compiler: Nx.Vulkan)
    assert_close(results, expected, tolerance)
    results
  end

  def assert_close(left, right, tolerance \\ 1.0e-4) do
    {left, right} = {tensors(left), tensors(right)}
    assert right != [] and length(left) == length(right)

    for {l, r} <- Enum.zip(left, right) do
      assert {Nx.type(l), Nx.shape(l)} == {Nx.type(r), Nx.shape(r)}
      l = Nx.backend_copy(l, Nx.BinaryBackend)

      assert Nx.to_number(Nx.all_close(l, r, atol: tolerance, rtol: tolerance)) == 1,
             "expected\n#{inspect(r)}\nto within #{tolerance}, but got\n#{inspect(l)}"
    end
  end

  defp tensors(container), do: Nx.Defn.Composite.flatten_list([container])
end
