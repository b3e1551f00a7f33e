# make stress: tries to break the library from Elixir. QUICK=1 within three minutes; ONLY=name,name runs
# those sections. Exit status 1 when a section fails.
Code.require_file("harness.exs", __DIR__)
Code.require_file("sections.exs", __DIR__)
Code.require_file("programs.exs", __DIR__)
Code.require_file("schedulers.exs", __DIR__)
Code.require_file("lives.exs", __DIR__)

quick? = System.get_env("QUICK", "") not in ["", "0"]
only = "ONLY" |> System.get_env("") |> String.split(",", trim: true)

sections =
  for module <- [Stress.Sections, Stress.Programs, Stress.Schedulers, Stress.Lives],
      {name, _, _} = section <- module.all(),
      only == [] or name in only,
      do: section

unless Stress.Harness.run(sections, quick?), do: exit({:shutdown, 1})
