defmodule Nx.Vulkan.PrecisionTest do
  # The configuration is everybody's.
  use ExUnit.Case, async: false
  @moduletag :device

  alias Nx.Vulkan, as: V

  setup do
    %{x: V.tensor!([[1.0, 2.0], [3.0, 4.0]])}
  end

  defp configure(precision) do
    Application.put_env(:nx_vulkan, :precision, precision)
    on_exit(fn -> Application.delete_env(:nx_vulkan, :precision) end)
  end

  # What each way to ask for a product does with the options.
  defp ways do
    [
      fn x, options -> V.matmul!(x, x, options) end,
      fn x, options -> V.dot!(x, x, options) end,
      fn x, options -> V.call!(:matmul, [x, x], options) end,
      fn x, options ->
        V.call!(:dot, [x, x], [contract_a: [1], contract_b: [0]] ++ options)
      end,
      fn x, options ->
        image = V.reshape!(x, {1, 2, 2})
        V.call!(:conv, [image, V.reshape!(x, {2, 2, 1})], options)
      end
    ]
  end

  defp fast?(tensor), do: V.explain!(tensor) =~ "fast dot"

  test "is accurate, unless asked for otherwise", %{x: x} do
    for way <- ways() do
      refute fast?(way.(x, []))
      refute fast?(way.(x, precision: :accurate))
      refute fast?(way.(x, precision: nil))
      assert fast?(way.(x, precision: :fast))
      assert V.to_list!(way.(x, precision: :fast)) == V.to_list!(way.(x, []))
    end
  end

  test "is configured for all products that name none", %{x: x} do
    configure(:fast)

    for way <- ways() do
      assert fast?(way.(x, []))
      refute fast?(way.(x, precision: :accurate))
    end

    configure(:best)

    assert_raise ArgumentError,
                 "config :nx_vulkan, precision: must be :accurate or :fast, got: :best",
                 fn -> V.matmul!(x, x) end
  end

  test "is that of f32 alone", %{x: x} do
    for type <- [:f16, :bf16, :f64, :s32, :c64] do
      y = V.cast!(x, type)
      refute fast?(V.matmul!(y, y, precision: :fast)), "#{type}"
    end
  end

  test "is one of two", %{x: x} do
    for way <- ways(), wrong <- [:tf32, "fast", 1, true] do
      error = assert_raise V.Error, fn -> way.(x, precision: wrong) end
      assert error.reason == :invalid_argument
      assert error.message =~ ~r/precision: expected :accurate or :fast, got #{inspect(wrong)}/
    end

    assert V.matmul(x, x, precise: true) == {:error, :invalid_argument}
  end
end
