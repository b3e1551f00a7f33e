defmodule Nx.Vulkan.Compiler.Source do
  @moduledoc false
  # What a definition is called, and where it was written. Nx keeps no lines in its expressions: the
  # line is that of the function, where its module has kept documentation.

  @doc "`MyApp.Model.predict/2`"
  @spec name(fun) :: String.t()
  def name(fun) do
    {module, name, arity} = mfa(fun)
    Exception.format_mfa(module, name, arity)
  end

  @doc """
  "MyApp.Model.predict/2 (lib/model.ex:12)", or without the line or the place where they are not known.
  """
  @spec of(fun) :: String.t()
  def of(fun) do
    {module, function, arity} = mfa(fun)
    place = place(module, function, arity)
    if place, do: "#{name(fun)} (#{place})", else: name(fun)
  end

  defp mfa(fun) do
    [module: module, name: name, arity: arity] =
      for key <- [:module, :name, :arity], do: Function.info(fun, key)

    {module, written(Atom.to_string(name), name), arity}
  end

  # What a definition compiles to has another name than the definition.
  defp written("__defn:" <> rest, _name),
    do: rest |> String.replace_suffix("__", "") |> String.to_atom()

  defp written(_, name), do: name

  defp place(module, name, arity) do
    with source when source != nil <- source(module) do
      file = Path.relative_to_cwd(to_string(source))
      if line = line(module, name, arity), do: "#{file}:#{line}", else: file
    end
  end

  defp source(module) do
    if function_exported?(module, :module_info, 1), do: module.module_info(:compile)[:source]
  end

  # A definition is documented as the function that it is.
  defp line(module, name, arity) do
    with {:docs_v1, _, _, _, _, _, docs} <- Code.fetch_docs(module),
         {_, annotation, _, _, _} <-
           Enum.find(docs, &match?({{:function, ^name, ^arity}, _, _, _, _}, &1)) do
      case :erl_anno.line(annotation) do
        0 -> nil
        line -> line
      end
    else
      _ -> nil
    end
  end
end
