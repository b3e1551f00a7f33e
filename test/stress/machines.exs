defmodule Stress.Machines do
  @moduledoc false
  # Other VMs on the same device: they compute beside this one, or end while they do.

  import Stress.Harness, only: [progress: 2]
  alias Nx.Vulkan, as: V

  def all do
    [
      {"vms", "two VMs compute on one device", &vms/1},
      {"halts", "VMs that end in every way while their device is at work", &halts/1}
    ]
  end

  @doc "A digest of what many evaluations give. What another VM computes, too."
  def digest(rounds) do
    for i <- 1..rounds do
      a = V.random_uniform!({96, 96}, i, low: -1.0)
      b = V.random_uniform!({96, 96}, i + 1000, low: -1.0)
      product = V.matmul!(a, b)

      for t <- [product, V.sum!(product, axes: [0]), V.call!(:sort, [product])],
          do: V.to_binary!(t)
    end
    |> :erlang.md5()
    |> Base.encode16()
  end

  # Sums, products and sorts have the same bits in both.
  defp vms(quick?) do
    rounds = if quick?, do: 50, else: 1000
    alone = digest(rounds)

    code =
      "Code.require_file(\"harness.exs\", \"#{__DIR__}\"); Code.require_file(\"machines.exs\", \"#{__DIR__}\"); " <>
        "{:ok, _} = Application.ensure_all_started(:nx_vulkan); :ok = Nx.Vulkan.init(); " <>
        "IO.write(Stress.Machines.digest(#{rounds}))"

    other = Task.async(fn -> elixir(["-e", code]) end)
    beside = while_running(other, fn -> digest(rounds) end)
    {output, status} = Task.await(other, :infinity)
    if status != 0, do: raise("the other VM ended with #{status}: #{output}")
    for got <- [output | beside], got != alone, do: raise("#{got} instead of #{alone}")
    "#{length(beside) + 1} times #{3 * rounds} results, all of the same bits"
  end

  defp while_running(task, fun) do
    if Process.alive?(task.pid), do: [fun.() | while_running(task, fun)], else: []
  end

  # This VM computes meanwhile.
  defp halts(quick?) do
    ways = Path.expand("../exits/ways.exs", __DIR__)
    {names, 0} = elixir([ways])
    ways_of = for line <- String.split(names, "\n", trim: true), do: String.split(line)
    times = if quick?, do: 1, else: 10
    tried = if quick?, do: Enum.take_random(ways_of, 2), else: ways_of
    load = Task.async(fn -> compute_until_told(0) end)

    for i <- 1..times, [way, status] <- tried do
      progress(i, times)
      {output, got} = elixir([ways, way])
      if got != String.to_integer(status), do: raise("#{way} ends with #{got}: #{output}")
    end

    send(load.pid, :stop)

    "#{times * length(tried)} ends, each with its status, beside #{Task.await(load)} right results"
  end

  defp compute_until_told(i) do
    if V.to_number!(V.sum!(V.iota!({1000}))) != 499_500, do: raise("a wrong sum")

    receive do
      :stop -> i
    after
      0 -> compute_until_told(i + 1)
    end
  end

  # As this VM was started: the same code and the same device.
  defp elixir(arguments) do
    ebin = :nx_vulkan |> Application.app_dir("ebin") |> to_string()
    System.cmd("elixir", ["-pa", ebin | arguments], stderr_to_stdout: true)
  end
end
