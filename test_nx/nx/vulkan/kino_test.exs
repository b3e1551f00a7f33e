if Code.ensure_loaded?(Kino) do
  defmodule Nx.Vulkan.KinoTest do
    use ExUnit.Case, async: false

    import Nx.Defn
    import Kino.Test

    @moduletag :device

    setup :configure_livebook_bridge

    defn softmax(x) do
      Nx.exp(x) / Nx.sum(Nx.exp(x))
    end

    # What Livebook is given of a widget: labels, and outputs by them.
    defp outputs(widget) do
      %{type: :tabs, outputs: outputs, labels: labels} = Kino.Render.to_livebook(widget)
      assert length(outputs) == length(labels)
      Map.new(Enum.zip(labels, outputs))
    end

    # The HTML of a widget, as its browser's side is given it.
    defp html(%{type: :js} = output), do: html(output.js_view.ref, output.js_view.pid)

    defp html(ref, pid) do
      send(pid, {:connect, self(), %{origin: "test", ref: ref}})
      assert_receive {:connect_reply, html, %{ref: ^ref}}, 5_000
      html
    end

    test "regions of a definition as a picture and as text" do
      tabs = outputs(Nx.Vulkan.Kino.explain(&softmax/1, [Nx.iota({4, 8}, type: :f32)]))
      assert Map.keys(tabs) |> Enum.sort() == ["Regions", "Text"]
      assert html(tabs["Regions"]) =~ ~r/<svg .*row program/s
      assert %{type: :terminal_text, text: text} = tabs["Text"]
      assert text =~ "softmax/1"
    end

    test "a definition that calls the host has no picture" do
      hooked = fn x -> Nx.add(Nx.runtime_call(x, x, [], fn x, _ -> x end), 1) end
      widget = Nx.Vulkan.Kino.explain(hooked, [Nx.iota({2})])
      assert Map.keys(outputs(widget)) == ["Text"]
    end

    test "a profile as a picture, a table and a trace" do
      x = Nx.iota({64, 64}, type: :f32)

      for widget <- [
            Nx.Vulkan.Kino.profile(&softmax/1, [x], runs: 2),
            Nx.Vulkan.Kino.profile(fn -> Nx.to_binary(Nx.exp(x)) end)
          ] do
        tabs = outputs(widget)
        assert Map.keys(tabs) |> Enum.sort() == ["Table", "Timeline", "Trace"]
        assert html(tabs["Timeline"]) =~ ~r/<svg .*<polygon .*budget/s
        assert tabs["Table"].text =~ "engine's thread"
      end

      assert_raise Nx.Vulkan.Error, ~r/unknown options/, fn ->
        Nx.Vulkan.Kino.profile(&softmax/1, [x], run: 2)
      end
    end

    test "memory is drawn again and again" do
      Nx.Vulkan.Kino.memory(interval: 10, samples: 3)
      assert_output(%{type: :frame, ref: ref})

      for _ <- 1..4 do
        assert_receive {:livebook_put_output,
                        %{type: :frame_update, ref: ^ref, update: {:replace, [output]}}},
                       5_000

        assert html(output) =~ ~r/<svg .*Memory of /s
      end
    end

    test "looking at memory does not open a device that was closed" do
      device = Nx.Vulkan.Device.index(Nx.Vulkan.tensor!([1]).engine)
      Nx.Vulkan.Kino.memory(interval: 10)
      assert_receive {:livebook_put_output, %{type: :frame_update}}, 5_000
      :ok = Nx.Vulkan.Device.close(device)

      for _ <- 1..5 do
        assert_receive {:livebook_put_output, %{type: :frame_update}}, 5_000
        refute Map.has_key?(Nx.Vulkan.Device.open(), device)
      end
    end
  end
else
  IO.puts(:stderr, "SKIPPED: tests of widgets (there is no Kino; name its sources in NXV_KINO)")
end
