defmodule Nx.Vulkan.Compiler.ExplainTest do
  # Counts the programs that processes share.
  use ExUnit.Case, async: false
  @moduletag :device
  @compile {:no_warn_undefined, [:xmerl_scan, :xmerl_xpath]}

  import Nx.Defn

  alias Nx.Vulkan, as: V

  defn(scaled_sum(x, y), do: Nx.sum(x * y + y, axes: [1]))

  defn powers(x, n) do
    while {x, n}, n > 0 do
      x = if rem(n, 2) == 0, do: x * x, else: x + 1.0
      {x, n - 1}
    end
  end

  defn(hooked(x), do: hook(x * 2, &Function.identity/1))

  defn(on_host(x), do: Nx.runtime_call(x, x, [], &same/2))
  def same(t, []), do: t

  # OTP's reader of XML may not be installed, and Mix hides what is no dependency.
  @xmerl :code.lib_dir() |> Path.join("xmerl-*/ebin") |> Path.wildcard() |> List.first()

  @args [Nx.template({8, 32}, :f32), Nx.template({8, 32}, :f32)]

  # The document's root, by OTP's own reader of XML.
  defp root(svg) do
    {root, []} = svg |> String.to_charlist() |> unicode() |> :xmerl_scan.string(quiet: true)
    root
  end

  # xmerl reads bytes of the document's encoding.
  defp unicode(characters), do: characters |> List.to_string() |> :binary.bin_to_list()

  defp texts(svg) do
    for element <- :xmerl_xpath.string(~c"//text", root(svg)) do
      for({:xmlText, _, _, _, text, _} <- elem(element, 8), do: text) |> to_string()
    end
  end

  test "counts bytes and operations" do
    assert {:ok, text} = V.explain(&scaled_sum/2, @args)
    # A product, a sum and a step of the reduction for each of 256 elements of 4 bytes.
    assert text =~ "reads 2048 bytes, writes 32 bytes, 768 FLOPs\n"
    assert text =~ "reduction region -> f32{8} (cut: root)\n"
    assert text =~ "step 1: multiply, add, sum; reads argument 0, argument 1\n"
    assert text =~ "temporaries: 0 bytes\n"
    assert text =~ ~r/^program .*scaled_sum\/2/
    assert V.explain!(&scaled_sum/2, @args, []) == text
  end

  test "takes tensors, numbers and containers, and calls arguments by their numbers" do
    fun = fn {a, _unused, b}, c -> Nx.add(Nx.multiply(a, b), c) end
    t = Nx.iota({4}, type: :f32)
    text = V.explain!(fun, [{t, t, Nx.template({4}, :f32)}, 1.5])
    assert text =~ "reads argument 0, argument 2, argument 3\n"
    refute text =~ "argument 1"
  end

  test "shows loops and branches inside of what runs them" do
    text = V.explain!(&powers/2, [Nx.template({3}, :f32), Nx.template({}, :s32)])
    assert text =~ "loop -> "
    assert text =~ "\n  condition: 1 step"
    assert text =~ "\n  body, then condition: "
    assert text =~ "\n    branch -> f32{3}"
    assert text =~ "\n      else: 1 step"
  end

  test "shows arguments that are written over" do
    text = V.explain!(fn x -> Nx.add(x, 1) end, [Nx.template({4096}, :f32)])
    assert text =~ "argument 0: f32{4096}, written over where the call alone holds it\n"
  end

  test "compiles what a call then finds" do
    fun = fn x -> Nx.sin(Nx.add(x, 0.12345)) end
    V.explain!(fun, [Nx.template({3, 5}, :f32)])
    size = Nx.Vulkan.Programs.size()
    Nx.Defn.jit(fun, compiler: Nx.Vulkan).(Nx.iota({3, 5}, type: :f32)) |> Nx.to_binary()
    assert Nx.Vulkan.Programs.size() == size
  end

  @tag skip: if(@xmerl == nil, do: "needs OTP's xmerl")
  test "draws" do
    true = Code.append_path(@xmerl)
    args = [Nx.template({3}, :f32), Nx.template({}, :s32)]
    svg = V.explain!(&powers/2, args, format: :svg)
    assert elem(root(svg), 1) == :svg
    texts = texts(svg)
    assert Enum.any?(texts, &(&1 =~ "powers/2"))
    assert Enum.count(texts, &(&1 =~ ~r/^\d+ +loop$/)) == 1
    assert Enum.count(texts, &(&1 =~ ~r/^\d+ +branch$/)) == 1
    assert "argument 1 s32{}" in texts
  end

  test "says what is called on the host" do
    t = Nx.template({2}, :f32)
    assert V.explain!(&hooked/1, [t]) =~ ~r"hooked/1.*, then a hook: 1 step"

    text = V.explain!(&on_host/1, [t])
    assert text =~ ~r"on_host/1.*: calls functions of the host in its midst.*; 2 part"
    assert text =~ ~r/^program part 1/m
    assert text =~ ~r/^program part 2/m
    assert V.explain(&on_host/1, [t], format: :svg) == {:error, :unsupported}
    assert V.explain!(fn _ -> {} end, [t]) =~ ": nothing to compute\n"
  end

  test "refuses what it does not know" do
    assert V.explain(&scaled_sum/2, [1.0]) == {:error, :invalid_argument}
    assert V.explain(&scaled_sum/2, @args, format: :png) == {:error, :invalid_argument}
    assert V.explain(&scaled_sum/2, @args, colour: 1) == {:error, :invalid_argument}
    assert V.explain(&scaled_sum/2, @args, device: 1.5) == {:error, :invalid_argument}
    assert V.explain(1, @args, []) == {:error, :invalid_argument}

    assert_raise ArgumentError, fn ->
      V.explain(fn x -> Nx.dot(x, [0], x, [1]) end, [hd(@args)])
    end
  end
end
