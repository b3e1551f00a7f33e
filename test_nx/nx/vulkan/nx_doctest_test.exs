defmodule Nx.Vulkan.NxDoctestTest do
  use ExUnit.Case, async: true
  @moduletag :device

  import Nx.Testing

  # Their examples in f64 end in digits of Nx.BinaryBackend that are not those of the nearest value.
  @rounding [acosh: 1, atanh: 1, erf_inv: 1, erfc: 1, expm1: 1, rsqrt: 1, sigmoid: 1, sinh: 1]

  doctest Nx, except: [:moduledoc | @rounding]
  doctest Nx.Constants
  doctest Nx.LinAlg
  doctest Nx.Random
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
end
