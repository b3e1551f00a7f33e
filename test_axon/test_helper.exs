# Tests of models, after those of test_nx/.
unless Code.ensure_loaded?(Bumblebee) do
  IO.puts(:stderr, "SKIPPED: tests with Bumblebee (name its sources in NXV_BUMBLEBEE)")
end
