defmodule Nx.Vulkan.NxDoctestTest do
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Testing

  # Their examples in f64 end in digits of Nx.BinaryBackend that are not those of the nearest value.
  @rounding [atanh: 1, erf_inv: 1, erfc: 1]

  # Here the examples in f32 do: norms there are differences, singular values roots of others.
  @compositions [qr: 2, svd: 2, pinv: 2, least_squares: 3]
  doctest Nx, except: [:moduledoc | @rounding]
  doctest Nx.Constants
  doctest Nx.LinAlg, except: @compositions
  doctest Nx.Random, except: [:moduledoc]
  doctest Nx.Type
  doctest Nx.Shape

  # Of f64, erf_inv on Nx.BinaryBackend has 7 digits.
  for {name, 1} <- @rounding do
    test "#{name} of f64 is what Nx.BinaryBackend answers, but for the last digits" do
      x = if unquote(name) in [:atanh, :erf_inv], do: [0.1, 0.5, 0.9], else: [1, 2, 3]

      for type <- [:f32, :f64] do
        [ours, theirs] =
          for backend <- [Nx.Vulkan.Backend, Nx.BinaryBackend] do
            apply(Nx, unquote(name), [Nx.tensor(x, type: type, backend: backend)])
          end

        rtol = if type == :f32 or unquote(name) == :erf_inv, do: 2.0e-7, else: 1.0e-15
        assert_all_close(ours, theirs, atol: 0.0, rtol: rtol)
      end
    end
  end

  defp matrix(type), do: Nx.tensor([[4, 1, 2], [1, 5, 3], [2, 3, 6]], type: type)
  defp product(matrices), do: Enum.reduce(matrices, &Nx.dot(&2, &1))
  defp tolerance({_, 32}), do: [atol: 1.0e-5, rtol: 1.0e-5]
  defp tolerance({_, 64}), do: [atol: 1.0e-13, rtol: 1.0e-13]

  for type <- [{:f, 32}, {:f, 64}] do
    describe "in #{Nx.Type.to_string(type)}" do
      setup do: %{a: matrix(unquote(Macro.escape(type))), close: tolerance(unquote(type))}

      test "the factors of decompositions have the matrix as their product", %{a: a, close: close} do
        l = Nx.LinAlg.cholesky(a)
        assert_all_close(Nx.dot(l, Nx.transpose(l)), a, close)

        {p, l, u} = Nx.LinAlg.lu(a)
        assert_all_close(product([p, l, u]), a, close)

        {q, r} = Nx.LinAlg.qr(a)
        assert_all_close(Nx.dot(q, r), a, close)
        assert_all_close(Nx.dot(Nx.transpose(q), q), Nx.eye(3), close)

        {values, vectors} = Nx.LinAlg.eigh(a)
        assert_all_close(Nx.dot(a, vectors), Nx.multiply(vectors, values), close)

        {u, s, vt} = Nx.LinAlg.svd(a)
        assert_all_close(product([Nx.multiply(u, s), vt]), a, close)
      end

      test "solutions solve", %{a: a, close: close} do
        b = Nx.tensor([1, 2, 3], type: a.type)
        assert_all_close(Nx.dot(a, Nx.LinAlg.solve(a, b)), b, close)
        assert_all_close(Nx.dot(a, Nx.LinAlg.pinv(a)), Nx.eye(3), close)
        assert_all_close(Nx.dot(a, Nx.LinAlg.least_squares(a, b)), b, close)
        assert_all_close(product([a, a, Nx.LinAlg.matrix_power(a, -2)]), Nx.eye(3), close)
        assert_all_close(Nx.LinAlg.determinant(a), Nx.tensor(70, type: a.type), close)
      end
    end
  end

  test "normal numbers are those of Nx.BinaryBackend" do
    [ours, theirs] =
      for backend <- [Nx.Vulkan.Backend, Nx.BinaryBackend] do
        Nx.with_default_backend(backend, fn ->
          Nx.Random.key(12) |> Nx.Random.normal(shape: {1000}) |> elem(0) |> Nx.to_flat_list()
        end)
      end

    assert ours == theirs
  end
end
