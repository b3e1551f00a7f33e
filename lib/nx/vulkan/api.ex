defmodule Nx.Vulkan.Api do
  @moduledoc false
  # The two faces of a function: {:ok, value} or {:error, reason}, and the one with ! that raises.

  alias Nx.Vulkan.Error

  @doc """
  Defines `name` and `name!` from what answers `:ok`, `{:ok, value}` or `{:error, error}`: a body, or
  with `to: module` the function of that name there.
  """
  defmacro defapi({name, _, args} = head, to: module) do
    call = quote(do: unquote(module).unquote(name)(unquote_splicing(Enum.map(args, &plain/1))))
    quote(do: Nx.Vulkan.Api.defapi(unquote(head), do: unquote(call)))
  end

  defmacro defapi({name, _, args}, do: body) do
    args = if is_list(args), do: args, else: []
    plain = Enum.map(args, &plain/1)
    implementation = :"do_#{name}"
    bang = :"#{name}!"

    quote do
      def unquote(name)(unquote_splicing(args)) do
        Nx.Vulkan.Api.reason(unquote(implementation)(unquote_splicing(plain)))
      end

      @doc unquote(bang_doc(name, length(args)))
      def unquote(bang)(unquote_splicing(args)) do
        Nx.Vulkan.Api.value!(unquote(implementation)(unquote_splicing(plain)))
      end

      defp unquote(implementation)(unquote_splicing(plain)), do: unquote(body)
    end
  end

  def bang_doc(name, arity) do
    "Same as `#{name}/#{arity}`, but answers the value itself and raises `Nx.Vulkan.Error`."
  end

  # Without its default.
  defp plain({:\\, _, [arg, _default]}), do: arg
  defp plain(arg), do: arg

  def reason({:error, %Error{reason: reason}}), do: {:error, reason}
  def reason(ok), do: ok

  def value!({:ok, value}), do: value
  def value!(:ok), do: :ok
  def value!({:error, error}), do: raise(error)

  @doc "Options with defaults; nil where there is none."
  @spec options(term, keyword) :: {:ok, keyword} | {:error, Error.t()}
  def options(options, defaults) do
    case Keyword.keyword?(options) and Keyword.validate(options, defaults) do
      {:ok, options} -> {:ok, options}
      false -> Error.new(:invalid_argument, "expected options, got #{inspect(options)}")
      {:error, unknown} -> Error.new(:invalid_argument, "unknown options #{inspect(unknown)}")
    end
  end
end
