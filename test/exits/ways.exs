# Ends the VM, in the way that it is told, while an engine is at work:
#
#     elixir -pa _build/dev/lib/nx_vulkan/ebin test/exits/ways.exs halt
#
# Without a way it prints them all, each with the exit status that belongs to it.

alias Nx.Vulkan, as: V
alias Nx.Vulkan.Native

defmodule Work do
  def random(seed), do: V.random_uniform!({300, 300}, seed)

  # 200 evaluations of products that nobody waits for.
  def start do
    a = random(1)
    for seed <- 1..200, do: :ok = Native.evaluate(V.matmul!(a, random(seed)).ref)
  end

  # Processes that wait for values.
  def read do
    for seed <- 1..20 do
      spawn(fn -> for i <- 1..100, do: V.to_binary(V.matmul!(random(seed), random(i))) end)
    end

    Process.sleep(20)
  end

  # A device that opens and closes.
  def reopen do
    spawn(fn ->
      for _ <- Stream.cycle([:again]) do
        V.close()
        start()
      end
    end)

    Process.sleep(:rand.uniform(400))
  end
end

forever = fn -> Process.sleep(:infinity) end

ways = [
  {"end", 0, fn -> :ok end},
  {"raise", 1, fn -> raise "the end" end},
  {"halt", 3, fn -> System.halt(3) end},
  {"erlang-halt", 3, fn -> :erlang.halt(3) end},
  {"halt-without-flush", 0, fn -> :erlang.halt(0, flush: false) end},
  {"init-stop", 3, fn -> {:init.stop(3), forever.()} end},
  {"system-stop", 3, fn -> {System.stop(3), forever.()} end},
  {"signal", 0, fn -> {System.cmd("kill", ["-TERM", System.pid()]), forever.()} end},
  {"application-stop", 3, fn -> {Application.stop(:nx_vulkan), System.halt(3)} end},
  {"closed", 3, fn -> {V.close(), System.halt(3)} end},
  {"reads-halt", 3, fn -> {Work.read(), System.halt(3)} end},
  {"reads-stop", 3, fn -> {Work.read(), System.stop(3), forever.()} end},
  {"reopening-halt", 3, fn -> {Work.reopen(), System.halt(3)} end},
  {"reopening-stop", 3, fn -> {Work.reopen(), System.stop(3), forever.()} end}
]

case System.argv() do
  [] ->
    for {name, status, _} <- ways, do: IO.puts("#{name} #{status}")

  [name] ->
    {:ok, _} = Application.ensure_all_started(:nx_vulkan)
    Logger.configure(level: :none)
    Work.start()
    {_, _, finish} = List.keyfind!(ways, name, 0)
    finish.()
end
