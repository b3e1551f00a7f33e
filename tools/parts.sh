# Sourced by the scripts that run tests: parts, each with a name, a log in the folder $logs, its time
# and its counts; then totals. A part is a function that prints to its log; it may leave its counts in
# part_passed, part_failed and part_skipped.
#
#   ONLY         names of the parts to run, comma separated; all unless given
#   NXV_VECTORS  folder of conformance vectors; by default the ones beside or inside the repository
passed=0 failed=0 skipped=0
part_passed=0 part_failed=0 part_skipped=0
failed_parts=()
skips=()
mkdir -p "$logs"

is_wanted() { [[ -z ${ONLY:-} || ,$ONLY, == *,$1,* ]]; }

# run NAME COMMAND...
run() {
  local name=$1 log=$logs/$1.log start=$SECONDS status
  is_wanted "$name" || return 0
  shift
  part_passed=0 part_failed=0 part_skipped=0
  "$@" >"$log" 2>&1
  status=$?
  # A part that fails without counting is one failure.
  if ((status != 0 && part_failed == 0)); then part_failed=1; fi
  ((passed += part_passed, failed += part_failed, skipped += part_skipped))
  printf '%-14s %5d s   %6d passed %4d failed %5d skipped\n' \
    "$name" $((SECONDS - start)) "$part_passed" "$part_failed" "$part_skipped"
  if ((part_failed != 0)); then
    failed_parts+=("$name")
    echo "---- the end of $log"
    tail -n 60 "$log"
    echo "----"
  fi
  return "$status"
}

# skip NAME WHY
skip() {
  is_wanted "$1" || return 0
  skips+=("$1: $2")
  ((skipped += 1))
  printf '%-14s           SKIPPED: %s\n' "$1" "$2"
}

# Totals; fails where a part has failed.
finish() {
  local line
  echo
  for line in "${failed_parts[@]}"; do echo "FAILED: $line ($logs/$line.log)"; done
  for line in "${skips[@]}"; do echo "SKIPPED: $line"; done
  printf 'Total time %d s\n' "$SECONDS"
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  ((failed == 0))
}

# ---- Counts, from logs ----

# Adds up the summary lines of GoogleTest programs.
count_gtest() {
  local counts
  counts=$(awk '
    match($0, /\[  PASSED  \] [0-9]+/) { p += substr($0, RSTART + 13, RLENGTH - 13) }
    match($0, /\[  SKIPPED \] [0-9]+ test/) { s += substr($0, RSTART + 13, RLENGTH - 18) }
    /\[  FAILED  \] .* \([0-9]+ ms\)$/ { f++ }
    END { print p + 0, f + 0, s + 0 }' "$1")
  read -r part_passed part_failed part_skipped <<<"$counts"
}

# ---- Parts that several scripts have ----

# Programs that are not GoogleTest's count as one test each.
run_ctest() {
  local log=$1 status
  shift
  ctest --verbose -j "$(getconf _NPROCESSORS_ONLN)" "$@"
  status=$?
  count_gtest "$log"
  part_passed=$((part_passed + $(awk '/Test +#[0-9]+: .*(check|example).* Passed/ { n++ } END { print n + 0 }' "$log")))
  return "$status"
}

# Of ExUnit.
run_mix_test() {
  local log=$1 status
  VK_ADD_DRIVER_FILES=$(second_device) mix test
  status=$?
  read -r part_passed part_failed part_skipped < <(awk '
    /[0-9]+ tests?, [0-9]+ failure/ {
      gsub(/\033\[[0-9;]*m/, "")
      for (i = 1; i < NF; i++) {
        if ($(i + 1) ~ /^(doctests?|tests?),?$/) t += $i
        if ($(i + 1) ~ /^failures?,?$/) f += $i
        if ($(i + 1) ~ /^(excluded|skipped),?$/) s += $i
      }
    }
    END { print t - f - s, f + 0, s + 0 }' "$log")
  return "$status"
}

run_stress() {
  local log=$1 status
  shift
  env -u ONLY "$@" tools/stress.sh
  status=$?
  read -r part_passed part_failed part_skipped < <(awk '
    /^Sections: / { print $2, $4, $6; found = 1 } END { if (!found) print 0, 1, 0 }' "$log")
  return "$status"
}

vectors=${NXV_VECTORS:-}
for folder in test/vectors ../shared/vectors; do
  [[ -z $vectors && -d $folder ]] && vectors=$folder
done

run_conformance() {
  local log=$1 build=$2 status
  "$(find "$build" -name nxv-conformance -type f)" "$vectors" --allow-unsupported \
    --engines "$(getconf _NPROCESSORS_ONLN)"
  status=$?
  read -r part_passed part_failed part_skipped \
    < <(awk '$1 == "total" { print $2, $3, $4 } END { if (NR == 0) print 0, 0, 0 }' "$log")
  return "$status"
}

has_layers() {
  compgen -G '/usr/share/vulkan/explicit_layer.d/*alidation*.json' >/dev/null ||
    compgen -G '/usr/local/share/vulkan/explicit_layer.d/*alidation*.json' >/dev/null
}
