# Runs the cells of notebooks in their order, as Livebook does, and compares results with the outputs
# that stand below cells:
#
#     mix run tools/run_livebook.exs guides/livebooks/start.livemd
#
# The setup cell, Mix.install/2, installs nothing: of it the configuration is taken. A notebook that
# installs what is not there (NXV_KINO, NXV_AXON and NXV_BUMBLEBEE name sources) is skipped, with status 77.

defmodule Livebook.Cells do
  @moduledoc false
  # The cells of a notebook: {line, code, output below it or nil}.

  def read(file) do
    file |> File.read!() |> String.split("\n") |> Enum.with_index(1) |> cells([])
  end

  # Code to be read.
  defp cells([{~s(<!-- livebook:{"force_markdown":true} -->), _} | rest], cells) do
    [{"```" <> _, _} | rest] = Enum.drop_while(rest, &blank?/1)
    {_, rest} = block(rest)
    cells(rest, cells)
  end

  defp cells([{"```elixir", line} | rest], cells) do
    {code, rest} = block(rest)
    {output, rest} = output(Enum.drop_while(rest, &blank?/1), rest)
    cells(rest, [{line + 1, code, output} | cells])
  end

  defp cells([_ | rest], cells), do: cells(rest, cells)
  defp cells([], cells), do: Enum.reverse(cells)

  defp output([{~s(<!-- livebook:{"output":true} -->), _} | rest], _) do
    [{"```" <> _, _} | rest] = Enum.drop_while(rest, &blank?/1)
    block(rest)
  end

  defp output(_, rest), do: {nil, rest}

  defp block(lines) do
    {block, [_ | rest]} = Enum.split_while(lines, fn {text, _} -> text != "```" end)
    {Enum.map_join(block, "\n", &elem(&1, 0)), rest}
  end

  defp blank?({text, _}), do: String.trim(text) == ""
end

defmodule Livebook.Run do
  @moduledoc false

  @compile {:no_warn_undefined, Kino.Test.GroupLeader}

  def notebook(file) do
    [{_, setup, _} | cells] = Livebook.Cells.read(file)
    {:ok, {{:., _, [{:__aliases__, _, [:Mix]}, :install]}, _, [deps | options]}} = parse(setup, 1)

    case Enum.reject(deps, &(&1 |> name() |> there?())) do
      [] ->
        run(file, options, cells)

      missing ->
        IO.puts("SKIPPED: #{file} (there is no #{Enum.map_join(missing, ", ", &name/1)})")
        System.halt(77)
    end
  end

  # Of a dependency, as it is parsed.
  defp name({:{}, _, [name | _]}), do: name
  defp name({name, _}), do: name

  defp there?(name), do: Application.ensure_all_started(name) |> elem(0) == :ok

  defp run(file, options, cells) do
    configure(options)
    show_to_nobody()

    Enum.reduce(cells, {[], Code.env_for_eval(file: Path.expand(file))}, fn cell, state ->
      cell(cell, state, file)
    end)

    IO.puts("ok: #{file}, #{length(cells)} cells")
  end

  defp parse(code, line), do: Code.string_to_quoted(code, line: line)

  defp configure([]), do: :ok

  defp configure([options]) do
    {options, _} = Code.eval_quoted(options)

    for {app, pairs} <- options[:config] || [], {key, value} <- pairs do
      Application.put_env(app, key, value)
    end
  end

  # Widgets want the group leader that Livebook has.
  defp show_to_nobody do
    if Code.ensure_loaded?(Kino.Test.GroupLeader) do
      {:ok, leader} = Kino.Test.GroupLeader.start_link(self())
      Process.group_leader(self(), leader)
    end
  end

  defp cell({line, code, output}, {binding, env}, file) do
    {:ok, quoted} = parse(code, line)

    {time, {result, binding, env}} =
      :timer.tc(fn -> Code.eval_quoted_with_env(quoted, binding, env) end)

    IO.puts(:stderr, "#{file}:#{line}: #{div(time, 1000)} ms")
    shown = inspect(result, pretty: true, width: 80)

    if output != nil and shown != output do
      raise "#{file}:#{line}: the cell answers\n#{shown}\nand not what stands below it:\n#{output}"
    end

    {binding, env}
  end
end

for file <- System.argv(), do: Livebook.Run.notebook(file)
