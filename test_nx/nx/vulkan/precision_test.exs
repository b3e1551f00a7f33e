defmodule Nx.Vulkan.BackendPrecisionTest do
  # The configuration is everybody's, and programs are counted.
  use ExUnit.Case, async: false
  @moduletag :device

  import Nx.Defn
  alias Nx.Vulkan.{Backend, Programs}

  # There is room for a program more.
  setup do
    Nx.default_backend(Backend)
    {:ok, engine} = Nx.Vulkan.Device.engine()
    Programs.forget(engine)
    %{x: Nx.tensor([[1.0, 2.0], [3.0, 4.0]])}
  end

  defp configure(precision) do
    Application.put_env(:nx_vulkan, :precision, precision)
    on_exit(fn -> Application.delete_env(:nx_vulkan, :precision) end)
  end

  defp fast?(%Nx.Tensor{data: %Backend{} = data}) do
    tensor = struct!(Nx.Vulkan.Tensor, Map.take(data, [:ref, :type, :shape, :engine]))
    Nx.Vulkan.explain!(tensor) =~ "fast dot"
  end

  defp ways do
    [
      &Nx.dot(&1, &1),
      &Nx.dot(&1, [1], &1, [1]),
      &Nx.conv(Nx.reshape(&1, {1, 2, 2}), Nx.reshape(&1, {2, 2, 1}))
    ]
  end

  defn(product(x), do: Nx.dot(x, Nx.sin(x)))
  defn(gradient(x), do: grad(x, &Nx.sum(Nx.cos(product(&1)))))

  describe "of the backend" do
    test "is the default backend's where the product is built", %{x: x} do
      for way <- ways() do
        refute fast?(way.(x))
        fast = Nx.with_default_backend({Backend, precision: :fast}, fn -> way.(x) end)
        assert fast?(fast)
        assert Nx.to_binary(fast) == Nx.to_binary(way.(x))
      end

      # What the operands were made with does not matter.
      made = Nx.tensor([[1.0, 2.0], [3.0, 4.0]], backend: {Backend, precision: :fast})
      refute fast?(Nx.dot(made, made))
    end

    test "is what is configured, else", %{x: x} do
      configure(:fast)
      for way <- ways(), do: assert(fast?(way.(x)))

      Nx.with_default_backend({Backend, precision: :accurate}, fn ->
        for way <- ways(), do: refute(fast?(way.(x)))
      end)
    end

    test "reaches what Nx composes of products", %{x: x} do
      Nx.default_backend({Backend, precision: :fast})
      assert fast?(Nx.LinAlg.matrix_power(x, 2))
    end

    test "goes along with other options", %{x: x} do
      Nx.default_backend({Backend, precision: :fast, device: 0})
      assert fast?(Nx.dot(x, x))
      assert Nx.to_flat_list(Nx.iota({2})) == [0, 1]
      assert Nx.to_flat_list(Nx.backend_copy(x, {Backend, precision: :fast})) == [1, 2, 3, 4]
    end

    test "is one of two" do
      for options <- [[precision: :tf32], [precision: true]] do
        assert_raise ArgumentError, ~r/precision: expected :accurate or :fast, got/, fn ->
          Nx.default_backend({Backend, options})
        end
      end
    end
  end

  describe "of the compiler" do
    defp explained(fun, args, options \\ []), do: Nx.Vulkan.explain!(fun, args, options)

    test "is its option, else the backend's, else what is configured", %{x: x} do
      refute explained(&product/1, [x]) =~ "fast dot"
      assert explained(&product/1, [x], precision: :fast) =~ "fast dot"

      Nx.with_default_backend({Backend, precision: :fast}, fn ->
        assert explained(&product/1, [x]) =~ "fast dot"
        refute explained(&product/1, [x], precision: :accurate) =~ "fast dot"
      end)

      configure(:fast)
      assert explained(&product/1, [x]) =~ "fast dot"
      refute explained(&product/1, [x], precision: :accurate) =~ "fast dot"
    end

    test "is that of gradients, loops and branches too", %{x: x} do
      text = explained(&gradient/1, [x], precision: :fast)
      assert length(Regex.scan(~r/step \d+: .*fast dot/, text)) >= 2
      refute text =~ ~r/step \d+: (?!.*fast dot).*dot/

      assert explained(&powers/1, [x], precision: :fast) =~ "fast dot"
      refute explained(&powers/1, [x]) =~ "fast dot"
    end

    defn powers(x) do
      while y = x, Nx.less(Nx.sum(y), 1000.0) do
        Nx.dot(y, y)
      end
    end

    defn(squares(x), do: Nx.sum(Nx.dot(x, x) * x))

    test "has programs of its own", %{x: x} do
      call = fn options ->
        before = Programs.size()
        result = Nx.Defn.jit(&squares/1, [compiler: Nx.Vulkan] ++ options).(x)
        {Nx.to_binary(result), Programs.size() - before}
      end

      {bits, _} = call.([])
      assert call.([]) == {bits, 0}
      assert call.(precision: :accurate) == {bits, 0}
      assert call.(precision: :fast) == {bits, 1}
      assert call.(precision: :fast) == {bits, 0}
      Nx.default_backend({Backend, precision: :fast})
      assert call.([]) == {bits, 0}
    end

    test "is kept by what was compiled", %{x: x} do
      compiled = Nx.Defn.compile(&product/1, [x], compiler: Nx.Vulkan, precision: :fast)
      before = Programs.size()
      assert Nx.to_binary(compiled.(x)) == Nx.to_binary(product(x))
      assert Programs.size() == before
    end

    test "reaches functions of the host", %{x: x} do
      test = self()

      fun = fn x ->
        x
        |> Nx.dot(x)
        |> Nx.Defn.Kernel.hook(fn value -> send(test, {:hooked, Nx.to_flat_list(value)}) end)
      end

      result = Nx.Defn.jit(fun, compiler: Nx.Vulkan, precision: :fast).(x)
      assert Nx.to_flat_list(result) == [7, 10, 15, 22]
      assert_receive {:hooked, [7.0, 10.0, 15.0, 22.0]}
    end

    test "is one of two", %{x: x} do
      assert_raise ArgumentError, ~r/precision: expected :accurate or :fast, got :best/, fn ->
        Nx.Defn.jit(&product/1, compiler: Nx.Vulkan, precision: :best).(x)
      end

      assert Nx.Vulkan.explain(&product/1, [x], precision: :best) == {:error, :invalid_argument}
      assert Nx.Vulkan.profile(&product/1, [x], precision: :best) == {:error, :invalid_argument}
      assert Nx.Vulkan.profile!(&product/1, [x], precision: :fast) =~ "fast dot"
    end
  end
end
