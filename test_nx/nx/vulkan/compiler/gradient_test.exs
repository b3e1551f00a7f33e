Code.require_file("../../../gradients.exs", __DIR__)

defmodule Nx.Vulkan.Compiler.GradientTest do
  # Gradients of compiled definitions against finite differences in f64; and, bit for bit, against those
  # that Nx.Defn.Evaluator computes on the device.
  use ExUnit.Case, async: true
  @moduletag :device
  @moduletag timeout: :infinity

  alias Nx.Vulkan.Gradients

  # A power of two, so that x + h is exact for most x.
  @step 1 / 512
  @epsilon 2.220446049250313e-16
  # Units in the last place that a loss may be wrong by: functions have up to 4, and these values are
  # added up and passed through a few more.
  @ulps 64

  for {name, _shows, _inputs, _fun} <- Gradients.table() do
    test "#{name}" do
      {name, _, inputs, fun} = Enum.find(Gradients.table(), &(elem(&1, 0) == unquote(name)))
      inputs = inputs |> Gradients.inputs() |> List.to_tuple()
      loss = fn inputs -> fun |> apply(Tuple.to_list(inputs)) |> loss() end
      gradient = &Nx.Defn.grad(&1, loss)
      compiled = Nx.Defn.jit_apply(gradient, [inputs], compiler: Nx.Vulkan)
      evaluated = Nx.Defn.jit_apply(gradient, [inputs], compiler: Nx.Defn.Evaluator)
      assert bits(compiled) == bits(evaluated)

      loss = Nx.Defn.jit(loss, compiler: Nx.Vulkan)

      unless name in Gradients.no_derivatives() do
        for i <- 0..(tuple_size(inputs) - 1), do: check(loss, inputs, i, elem(compiled, i))
      end
    end
  end

  test "every operation of Nx that has a gradient is here" do
    shown = for {_, shows, _, _} <- Gradients.table(), name <- shows, uniq: true, do: name
    callbacks = Nx.Backend.behaviour_info(:callbacks) |> Keyword.keys() |> Enum.uniq()
    assert callbacks -- (shown ++ without_gradient() ++ no_operations()) == []
  end

  # Nx says so, or takes them for constants.
  defp without_gradient do
    ~w(quotient reduce window_reduce window_product eye iota constant all any argmin bitwise_and
       bitwise_or bitwise_xor bitwise_not logical_and logical_or logical_xor left_shift right_shift
       count_leading_zeros population_count is_nan is_infinity equal greater_equal less less_equal
       not_equal)a
  end

  defp no_operations do
    ~w(init inspect from_binary to_binary to_batched from_pointer to_pointer backend_copy
       backend_transfer backend_deallocate block)a
  end

  # ---- Losses ----

  # A sum of all elements with weights.
  defp loss(container) do
    for x <- Nx.Defn.Composite.flatten_list([container]), reduce: Nx.tensor(0.0, type: :f64) do
      sum ->
        weights = x.shape |> Nx.iota(type: :f64) |> Nx.add(1) |> Nx.sin() |> Nx.add(0.3)
        Nx.add(sum, Nx.sum(Nx.multiply(x, weights)))
    end
  end

  defp bits(gradients),
    do: for(g <- Tuple.to_list(gradients), do: {g.type, g.shape, Nx.to_binary(g)})

  # ---- Finite differences ----

  # Central differences at steps h, h / 2 and h / 4, extrapolated twice (Richardson). The truncation error
  # of the second extrapolation is below the distance of the two, and the rounding error of a difference
  # is that of two losses over twice its step.
  defp check(loss, inputs, i, gradient) do
    x = elem(inputs, i)
    values = Nx.to_flat_list(x)
    at = fn x -> inputs |> put_elem(i, x) |> loss.() |> parts() end
    size = x |> at.() |> Enum.map(&abs/1) |> Enum.max() |> max(1.0)
    rounding = 2 * @ulps * @epsilon * size / (2 * @step / 4) * 5 / 3

    for k <- 0..(Nx.size(x) - 1) do
      difference = fn h ->
        [above, below] =
          for change <- [h, -h] do
            moved = values |> List.update_at(k, &(&1 + change)) |> Nx.tensor(type: :f64)
            at.(Nx.reshape(moved, x.shape))
          end

        Enum.zip_with(above, below, &((&1 - &2) / (2 * h)))
      end

      differences =
        Enum.zip_with(for(h <- [@step, @step / 2, @step / 4], do: difference.(h)), & &1)

      # Where the loss is real only the real part of a gradient means anything.
      got = gradient |> Nx.flatten() |> Nx.slice([k], [1]) |> Nx.squeeze() |> parts()

      for {[d1, d2, d4], g} <- Enum.zip(differences, got) do
        first = (4 * d2 - d1) / 3
        second = (4 * d4 - d2) / 3
        tolerance = abs(second - first) + rounding

        assert tolerance < 1.0e-6 * max(1.0, abs(second)),
               "differences are too coarse: #{tolerance}"

        assert abs(g - second) <= tolerance,
               "gradient of input #{i}, element #{k}: #{g}, by differences #{second} +- #{tolerance}"
      end
    end
  end

  defp parts(%{type: {:c, _}} = x),
    do: for(part <- [Nx.real(x), Nx.imag(x)], do: Nx.to_number(part))

  defp parts(x), do: [Nx.to_number(x)]
end
