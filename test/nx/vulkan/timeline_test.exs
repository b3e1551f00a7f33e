defmodule Nx.Vulkan.TimelineTest do
  use ExUnit.Case, async: false

  alias Nx.Vulkan, as: V
  alias Nx.Vulkan.{Device, Json, MemorySamples, Timeline}

  # Elements of an SVG document by their names, with attributes and the text up to the next tag. Every
  # element must be closed in its order, and nothing be left that is no XML.
  defp elements(svg) do
    tag = ~r/<(\/?)([a-z]+)((?: [a-zA-Z0-9-]+="[^"<]*")*)(\/?)>([^<]*)/
    assert Regex.replace(tag, svg, "") == ""

    {[], elements} =
      for [_, close, name, attributes, empty, text] <- Regex.scan(tag, svg), reduce: {[], []} do
        {open, elements} ->
          assert not (text =~ ~r/[<>]|&(?!amp;|lt;|gt;)/)

          if close == "/" do
            [^name | open] = open
            {open, elements}
          else
            attributes = Regex.scan(~r/ ([a-zA-Z0-9-]+)="([^"]*)"/, attributes)
            attributes = Map.new(attributes, fn [_, key, value] -> {key, value} end)
            open = if empty == "/", do: open, else: [name | open]
            {open, [{name, attributes, unescape(text)} | elements]}
          end
      end

    Enum.group_by(Enum.reverse(elements), &elem(&1, 0))
  end

  defp unescape(text) do
    for {code, character} <- [{"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}], reduce: text do
      text -> String.replace(text, code, character)
    end
  end

  test "JSON as the library writes it" do
    assert Json.decode!(~s( {"a":[1,-2.5,3e2,true,false,null],"b\\n":{},"c":[], "d":""} )) ==
             %{"a" => [1, -2.5, 3.0e2, true, false, nil], "b\n" => %{}, "c" => [], "d" => ""}

    assert Json.decode!(~S("\u00e9\"\\/µ")) == "é\"\\/µ"
    assert_raise ArgumentError, ~r/no value/, fn -> Json.decode!("[1,x]") end
    assert_raise ArgumentError, ~r/follows/, fn -> Json.decode!("1 2") end
  end

  defp trace(events) do
    threads =
      for {name, tid} <- [{"caller", 1}, {"engine", 2}, {"device", 3}] do
        %{"ph" => "M", "name" => "thread_name", "tid" => tid, "args" => %{"name" => name}}
      end

    events =
      for {tid, begin, duration, name} <- events do
        %{"ph" => "X", "tid" => tid, "ts" => begin, "dur" => duration, "name" => name}
        |> Map.put("args", %{"bytes" => 2_000_000, "kernel" => "k"})
      end

    other = %{"device" => "GPU <1>", "wall_us" => 1000.0, "left_out" => 0}
    %{"otherData" => other, "traceEvents" => threads ++ events}
  end

  test "bars lie where their time is, in proportion" do
    events = [{1, 0.0, 1000.0, "call"}, {3, 250.0, 500.0, "matmul: a < b & c"}]
    svg = Timeline.profile("A & B", trace(events), [])
    parts = elements(svg)
    titles = for {"title", _, words} <- parts["title"], do: words
    assert Enum.any?(titles, &(&1 =~ "matmul: a < b & c\n500.0 us, 4.0 GB/s\nkernel k"))
    assert Enum.any?(parts["text"], &match?({_, _, "A & B"}, &1))
    filled = for {"rect", %{"fill" => "#" <> _ = fill} = at, _} <- parts["rect"], do: {fill, at}
    [{_, call}] = Enum.filter(filled, &match?({"#64748b", _}, &1))
    [{_, product}] = Enum.filter(filled, &match?({"#2563eb", _}, &1))
    number = fn text -> text |> Float.parse() |> elem(0) end
    whole = number.(call["width"])
    assert_in_delta number.(product["width"]), whole / 2, 0.1
    assert_in_delta number.(product["x"]), number.(call["x"]) + whole / 4, 0.1
    assert number.(product["y"]) > number.(call["y"])
  end

  test "a million bars are not drawn each" do
    events = for i <- 1..100_000, do: {3, i / 100, 0.005, "pointwise"}
    assert byte_size(Timeline.profile("many", trace(events), [])) < 1_000_000
  end

  test "memory is drawn as steps" do
    stats = fn in_use, cached -> %{in_use: in_use, cached: cached, budget: 1_048_576} end
    samples = [{0.0, stats.(0, 0)}, {5.0, stats.(1024, 1024)}, {10.0, stats.(2048, 0)}]
    parts = elements(Timeline.memory("Memory", samples))
    assert [{_, %{"points" => all}, _}, {_, %{"points" => used}, _}] = parts["polygon"]
    assert all != used
    assert length(String.split(used)) == 2 * 3 + 2
    assert Enum.any?(parts["text"], fn {_, _, words} -> words =~ "at most 2.0 KiB" end)
    assert elements(Timeline.memory("Memory", []))["text"] != []
  end

  @tag :device
  test "samples of memory follow what is held, and are bounded" do
    {:ok, engine} = Device.engine()
    samples = MemorySamples.start(engine)
    kept = for _ <- 1..4, do: V.eval!(V.add!(V.iota!({262_144}, type: :f32), 0.5))
    Process.sleep(5)
    taken = MemorySamples.stop(samples)
    assert length(kept) == 4 and length(taken) in 2..2001
    {times, stats} = Enum.unzip(taken)
    assert times == Enum.sort(times)
    assert List.last(stats).in_use - hd(stats).in_use >= 3 * 1_048_576
  end

  @tag :device
  test "a profile is a picture where that is asked for" do
    x = V.random_normal!({64, 64}, 1)
    work = fn -> V.to_number!(V.sum!(V.matmul!(x, x))) end
    parts = elements(V.profile!(work, format: :svg))
    titles = for {"title", _, words} <- parts["title"], do: words
    assert Enum.any?(titles, &(&1 =~ ~r/^call\n/))
    assert Enum.any?(titles, &(&1 =~ ~r/matmul: /))
    assert length(parts["polygon"]) == 2
    assert V.profile(work, format: :png) == {:error, :invalid_argument}
    assert V.profile!(work) =~ "engine's thread"
  end

  @tag :device
  test "a profile of what raises takes no samples any more" do
    before = length(Process.list())
    assert_raise RuntimeError, fn -> V.profile(fn -> raise "no" end, format: :svg) end
    assert length(Process.list()) <= before
    assert {:ok, _} = V.profile(fn -> :ok end)
  end
end
