# make stress: tries to break the library from Elixir. QUICK=1 within three minutes; ONLY=name,name runs
# those sections. Exit status 1 when a section fails.
Code.require_file("harness.exs", __DIR__)
Code.require_file("sections.exs", __DIR__)
Code.require_file("programs.exs", __DIR__)

quick? = System.get_env("QUICK", "") not in ["", "0"]
only = "ONLY" |> System.get_env("") |> String.split(",", trim: true)

sections =
  Enum.filter(Stress.Sections.all() ++ Stress.Programs.all(), fn {name, _, _} ->
    only == [] or name in only
  end)

unless Stress.Harness.run(sections, quick?), do: exit({:shutdown, 1})
