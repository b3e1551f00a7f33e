defmodule Nx.Vulkan.Backend.Closure do
  @moduledoc false
  # The functions of reduce and window_reduce: called once, with parameters in place of an element and
  # the accumulator. The graph of scalars that they answer is compiled into the kernel.

  alias Nx.Tensor, as: T
  alias Nx.Vulkan.Backend.Node
  alias Nx.Vulkan.Native

  @doc "Tensor, start value, the two parameters and the body, as `Native.call/3` takes them."
  @spec operands(Nx.Tensor.t(), Nx.Tensor.t(), Nx.Tensor.t(), fun) :: [reference]
  def operands(%T{type: type}, t, acc, fun) do
    [t, acc] = Node.together([t, acc])
    home = Node.ref(t)
    element = parameter(home, t.type)
    accumulator = parameter(home, type)

    body =
      Nx.with_default_backend(Node.backend([element]), fn -> fun.(element, accumulator) end)
      |> Nx.to_tensor()

    unless body.shape == {} do
      raise ArgumentError, "the function must answer a scalar, got shape #{inspect(body.shape)}"
    end

    [home, Node.ref(acc, type), Node.ref(element), Node.ref(accumulator)] ++
      [Node.ref(body, type)]
  end

  # `home` is a tensor on the device to compute on.
  defp parameter(home, type) do
    Node.make(Nx.template({}, type), fn -> Native.parameter(home, Node.type(type), []) end)
  end
end
