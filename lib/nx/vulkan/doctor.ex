defmodule Nx.Vulkan.Doctor do
  @moduledoc """
  What is right and wrong with this machine, for people who wonder why something is slow or does not
  run. `mix nx_vulkan.doctor` prints it.
  """

  alias Nx.Vulkan.Native

  @doc """
  The report, and whether the device computes rightly. `device` is an index, a part of a name or
  `"cpu"`, as a text; `nil` is what `NXV_DEVICE` says, else the best.

  Needs no device, and no application that runs. It takes seconds.
  """
  @spec examine(String.t() | nil) :: {String.t(), boolean}
  def examine(device \\ nil) do
    {text, well?} =
      case library() do
        :ok -> ask(device)
        {:error, why} -> {not_loaded(why), false}
      end

    {versions() <> text, well?}
  end

  defp not_loaded(why) do
    """
    The library
    !! does not load           #{why}: #{:code.priv_dir(:nx_vulkan)}
    What to do
    !! Build it on this machine: NXV_BUILD=1 mix deps.compile nx_vulkan --force
    """
  end

  defp ask(device) do
    case Native.doctor(device) do
      {:ok, report} -> report
      {:error, reason, message} -> {"!! #{reason}: #{message}\n", false}
    end
  end

  # Where the NIF cannot be loaded its module cannot, either; the VM has then said why.
  defp library do
    case Code.ensure_loaded(Native) do
      {:module, _} -> :ok
      {:error, why} -> {:error, why}
    end
  end

  defp versions do
    nx = Application.spec(:nx, :vsn)

    """
    Elixir
       Elixir                  #{System.version()}, OTP #{System.otp_release()}, ERTS #{:erlang.system_info(:version)}
       Nx                      #{nx || "not there"}
       nx_vulkan               #{Application.spec(:nx_vulkan, :vsn)}
       library                 #{origin()}
    """
  end

  # What the Mix compiler step says of where the NIF came from.
  defp origin do
    with priv when is_list(priv) <- :code.priv_dir(:nx_vulkan),
         {:ok, text} <- File.read(Path.join(priv, "nxv_nif.origin")) do
      String.trim(text)
    else
      _ -> "of unknown origin"
    end
  end
end
