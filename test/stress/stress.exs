# make stress: tries to break the library from Elixir. QUICK=1 within three minutes; LONG=1 for half an
# hour, or for MINUTES; ONLY=name,name runs those sections. Exit status 1 when a section fails.
for file <- ~w(../calls harness sections edges programs crowd schedulers lives machines),
    do: Code.require_file("#{file}.exs", __DIR__)

flag? = fn name -> System.get_env(name, "") not in ["", "0"] end
only = "ONLY" |> System.get_env("") |> String.split(",", trim: true)
default = if flag?.("LONG"), do: "30", else: "0"
set = System.get_env("MINUTES", "")
minutes = String.to_integer(if set == "", do: default, else: set)

sections =
  for module <- [
        Stress.Sections,
        Stress.Edges,
        Stress.Programs,
        Stress.Crowd,
        Stress.Schedulers,
        Stress.Lives,
        Stress.Machines
      ],
      {name, _, _} = section <- module.all(),
      only == [] or name in only,
      do: section

report = Path.expand("../../build/stress/report.json", __DIR__)

unless Stress.Harness.run(sections, flag?.("QUICK"), 60 * minutes, report),
  do: exit({:shutdown, 1})
