defmodule Nx.Vulkan.ComposedTest do
  # Linear algebra as Nx composes it. Not beside other tests: the configuration is everyone's.
  use ExUnit.Case, async: false
  @moduletag :device

  alias Nx.Block.LinAlg
  alias Nx.Vulkan.Backend

  setup do
    Application.put_env(:nx_vulkan, :linear_algebra, :composed)
    on_exit(fn -> Application.delete_env(:nx_vulkan, :linear_algebra) end)
  end

  # With digits that are rounding errors of the compositions, and a double eigenvalue.
  doctest Nx.LinAlg, only: [cholesky: 1, eigh: 2, lu: 1, qr: 2, solve: 2]

  @matrix [[30.0, 40.5, 8.0], [40.5, 62.5, 8.0], [8.0, 8.0, 18.25]]

  for name <- [:cholesky, :eigh, :lu] do
    test "#{name} has the bits of Nx.BinaryBackend, of small matrices also by default" do
      theirs = bits(unquote(name), Nx.BinaryBackend)
      assert bits(unquote(name), Backend) == theirs
      Application.delete_env(:nx_vulkan, :linear_algebra)
      assert bits(unquote(name), Backend) == theirs
    end
  end

  test "qr has the bits of Nx.BinaryBackend" do
    assert bits(:qr, Backend) == bits(:qr, Nx.BinaryBackend)
  end

  test "definitions too" do
    t = Nx.tensor(@matrix)
    composed = Nx.Defn.jit(&Nx.LinAlg.cholesky/1, compiler: Nx.Vulkan).(t)
    assert [Nx.to_binary(composed)] == bits(:cholesky, Nx.BinaryBackend)
  end

  for {block, arity, results} <- [
        {LinAlg.Cholesky, 1, 1},
        {LinAlg.Determinant, 1, 1},
        {LinAlg.Eigh, 1, 2},
        {LinAlg.LU, 1, 3},
        {LinAlg.QR, 1, 2},
        {LinAlg.Solve, 2, 1},
        {LinAlg.SVD, 1, 3}
      ] do
    test "#{inspect(block)} runs the composition, by default it does not" do
      t = Nx.tensor([[2.0]])
      out = if unquote(results) == 1, do: t, else: Tuple.duplicate(t, unquote(results))
      args = List.duplicate(t, unquote(arity))

      composition =
        case unquote(arity) do
          1 -> fn _, _ -> :composition end
          2 -> fn _, _, _ -> :composition end
        end

      run = fn -> Backend.block(struct!(unquote(block)), out, args, composition) end
      assert run.() == :composition
      Application.delete_env(:nx_vulkan, :linear_algebra)
      assert run.() != :composition
    end
  end

  test "any other value raises" do
    Application.put_env(:nx_vulkan, :linear_algebra, :nx)

    assert_raise ArgumentError,
                 "config :nx_vulkan, linear_algebra: must be :native or :composed, got: :nx",
                 fn -> Nx.LinAlg.determinant(Nx.eye(2)) end
  end

  defp bits(name, backend) do
    Nx.with_default_backend(backend, fn ->
      apply(Nx.LinAlg, name, [Nx.tensor(@matrix)])
      |> List.wrap()
      |> Enum.flat_map(&if(is_tuple(&1), do: Tuple.to_list(&1), else: [&1]))
      |> Enum.map(&Nx.to_binary/1)
    end)
  end
end
