defmodule Nx.Vulkan.NearestTest do
  # Examples of Nx's documentation whose last digits differ here: they are the rounding errors of
  # Nx.BinaryBackend. What this backend answers is nearer to the exact result.
  use ExUnit.Case, async: true
  @moduletag :device

  alias Nx.Vulkan.Backend

  # The f64 nearest to the exact results.
  @functions [
    atanh: {[0.1, 0.5, 0.9], [0.10033534773107558, 0.5493061443340549, 1.4722194895832204]},
    erf_inv: {[0.1, 0.5, 0.9], [0.08885599049425769, 0.4769362762044699, 1.1630871536766743]},
    erfc: {[1, 2, 3], [0.15729920705028513, 0.004677734981047266, 2.209049699858544e-5]}
  ]

  for {name, {arguments, nearest}} <- @functions do
    test "#{name} of f64" do
      t = Nx.tensor(unquote(arguments), type: :f64)
      assert Nx.to_flat_list(apply(Nx, unquote(name), [t])) == unquote(nearest)
    end
  end

  # Linear algebra: the exact results are Nx's own compositions in f64, which Nx.BinaryBackend runs.
  # What Nx composes of several of these operations (invert, least_squares) rounds to f32 in between
  # on either backend.
  @four [[6, 3, 4, 8], [3, 6, 5, 1], [4, 5, 10, 7], [8, 1, 7, 25]]
  @five [
    [0, 0, 0, 0, -1],
    [0, 1, 2, 3, 0],
    [0, 1, -2, 3, 0],
    [0, 7, 8, 9, 0],
    [1, 0, 0, 0, 0]
  ]
  @batch [
    [[2, 4, 6, 7], [5, 1, 8, 8], [1, 7, 3, 1], [3, 9, 2, 4]],
    [[2, 5, 1, 3], [4, 1, 7, 9], [6, 8, 3, 2], [7, 8, 1, 4]]
  ]
  @examples [
    cholesky: [[[20.0, 17.6], [17.6, 16.0]]],
    cholesky: [[[2, 3], [3, 5]]],
    cholesky: [@four],
    determinant: [@five],
    determinant: [@batch],
    eigh: [[[2, 5], [5, 6]]],
    lu: [[[1, 2, 3], [4, 5, 6], [7, 8, 9]]],
    lu: [[[9, 8, 7], [6, 5, 4], [3, 2, 1]]],
    pinv: [[[1, 1], [3, 4]]],
    qr: [[[3, 2, 1], [0, 1, 1], [0, 0, 1], [0, 0, 1]]],
    solve: [[[14, 10], [9, 9]], [[2, 4], [3, 2]]],
    svd: [[[2, 0, 0], [0, 3, 0], [0, 0, -1], [0, 0, 0]]]
  ]

  for {{name, arguments}, i} <- Enum.with_index(@examples) do
    test "#{name} of f32, example #{i}" do
      ours = results(unquote(name), unquote(arguments), Backend, :f32)
      theirs = results(unquote(name), unquote(arguments), Nx.BinaryBackend, :f32)
      exact = results(unquote(name), unquote(arguments), Nx.BinaryBackend, :f64)

      for {{ours, theirs}, exact} <- Enum.zip(Enum.zip(ours, theirs), exact) do
        largest = exact |> Nx.abs() |> Nx.reduce_max() |> Nx.to_number()
        half_unit = largest * :math.pow(2, -24)
        assert error(ours, exact) <= max(error(theirs, exact), half_unit)
      end
    end
  end

  defp results(name, arguments, backend, type) do
    # The values, not what their digits are in another type.
    tensors = for x <- arguments, do: x |> Nx.tensor(type: :f32, backend: Nx.BinaryBackend)
    tensors = for t <- tensors, do: t |> Nx.as_type(type) |> Nx.backend_copy(backend)
    options = if name == :eigh, do: [[eps: 1.0e-12]], else: []

    Nx.with_default_backend(backend, fn -> apply(Nx.LinAlg, name, tensors ++ options) end)
    |> List.wrap()
    |> Enum.flat_map(&if is_tuple(&1), do: Tuple.to_list(&1), else: [&1])
    |> Enum.map(&Nx.backend_copy(&1, Nx.BinaryBackend))
  end

  defp error(t, exact) do
    t |> Nx.as_type(:f64) |> Nx.subtract(exact) |> Nx.abs() |> Nx.reduce_max() |> Nx.to_number()
  end
end
