#!/usr/bin/env bash
# The tests that every change must pass, one compiler, under 20 minutes on two cores. Prints the time
# of each part, what it skips and why, and ends with totals. Output of the parts: build/test/.
#
#   NXV_VECTORS  folder of conformance vectors; by default the ones beside or inside the repository
set -uo pipefail
source "$(dirname "$0")/environment.sh"

logs=build/test
passed=0 failed=0 skipped=0
failed_parts=()
skips=()
rm -rf "$logs" && mkdir -p "$logs"

# ---- A part is a function: it prints to its log and leaves its counts in these ----

part_passed=0 part_failed=0 part_skipped=0

run() {
  local name=$1 log=$logs/$1.log start=$SECONDS status
  shift
  part_passed=0 part_failed=0 part_skipped=0
  "$@" >"$log" 2>&1
  status=$?
  # A part that fails without counting is one failure.
  if ((status != 0 && part_failed == 0)); then part_failed=1; fi
  ((passed += part_passed, failed += part_failed, skipped += part_skipped))
  printf '%-14s %4d s   %6d passed %4d failed %5d skipped\n' \
    "$name" $((SECONDS - start)) "$part_passed" "$part_failed" "$part_skipped"
  if ((part_failed != 0)); then
    failed_parts+=("$name")
    echo "---- the end of $log"
    tail -n 60 "$log"
    echo "----"
  fi
  return "$status"
}

skip() {
  skips+=("$1: $2")
  ((skipped += 1))
  printf '%-14s          SKIPPED: %s\n' "$1" "$2"
}

# Adds up the summary lines of GoogleTest programs in a log.
count_gtest() {
  local counts
  counts=$(awk '
    match($0, /\[  PASSED  \] [0-9]+/) { p += substr($0, RSTART + 13, RLENGTH - 13) }
    match($0, /\[  SKIPPED \] [0-9]+ test/) { s += substr($0, RSTART + 13, RLENGTH - 18) }
    /\[  FAILED  \] .* \([0-9]+ ms\)$/ { f++ }
    END { print p + 0, f + 0, s + 0 }' "$1")
  read -r part_passed part_failed part_skipped <<<"$counts"
}

# ---- The parts ----

setup() { tools/setup.sh test; }

includes() { tools/check_includes.sh && part_passed=1; }

format_cpp() {
  git ls-files '*.cpp' '*.h' '*.hpp' '*.c' | xargs clang-format --dry-run -Werror && part_passed=1
}

format_elixir() { mix format --check-formatted && part_passed=1; }

build() { cmake --preset dev && cmake --build --preset dev; }

unit() {
  local status
  LP_NUM_THREADS=0 ctest --test-dir build/dev --verbose -j "$(getconf _NPROCESSORS_ONLN)"
  status=$?
  count_gtest "$logs/unit.log"
  # Programs that are not GoogleTest's count as one test each.
  part_passed=$((part_passed + $(awk '/Test +#[0-9]+: .*(check|example).* Passed/ { n++ } END { print n + 0 }' "$logs/unit.log")))
  return "$status"
}

# The programs that drive a device, under the layers; a message is a failure of its test.
layers() {
  local program status=0
  for program in vulkan runtime capi; do
    program=build/dev/nxv_${program}_test
    [[ -x $program ]] || continue
    LP_NUM_THREADS=0 NXV_VALIDATION=1 NXV_CHECK_HAZARDS=1 "$program" --gtest_brief=1 || status=1
  done
  count_gtest "$logs/layers.log"
  return "$status"
}

conformance() {
  local status
  LP_NUM_THREADS=0 "$(find build/dev -name nxv-conformance -type f)" "$vectors" --allow-unsupported
  status=$?
  read -r part_passed part_failed part_skipped \
    < <(awk '$1 == "total" { print $2, $3, $4 } END { if (NR == 0) print 0, 0, 0 }' "$logs/conformance.log")
  return "$status"
}

elixir_tests() {
  local status
  LP_NUM_THREADS=0 VK_ADD_DRIVER_FILES=$(second_device) mix test
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
    END { print t - f - s, f + 0, s + 0 }' "$logs/elixir.log")
  return "$status"
}

stress() {
  local status
  QUICK=1 tools/stress.sh
  status=$?
  read -r part_passed part_failed part_skipped < <(awk '
    /^Sections: / { print $2, $4, $6; found = 1 } END { if (!found) print 0, 1, 0 }' "$logs/stress.log")
  return "$status"
}

# ---- What runs ----

main() {
  run setup setup || return
  run includes includes
  if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    run format-cpp format_cpp
  else
    skip format-cpp "clang-format 14 is needed, as in Debian 12; other versions format differently"
  fi
  run format-elixir format_elixir

  if run build build; then
    run unit unit
    if ls /usr/share/vulkan/explicit_layer.d/*alidation*.json >/dev/null 2>&1; then
      run layers layers
    else
      skip layers "the Vulkan validation layers are not installed"
    fi
    local folder
    vectors=${NXV_VECTORS:-}
    for folder in test/vectors ../shared/vectors; do
      [[ -z $vectors && -d $folder ]] && vectors=$folder
    done
    if [[ -n $vectors ]]; then
      run conformance conformance
    else
      skip conformance "no vectors; name their folder in NXV_VECTORS"
    fi
  fi

  run elixir elixir_tests
  [[ $NXV_NX == none ]] && skip nx "tests with Nx; name its sources in NXV_NX"
  run stress stress
}

main
echo
for part in "${failed_parts[@]}"; do echo "FAILED: $part (build/test/$part.log)"; done
for line in "${skips[@]}"; do echo "SKIPPED: $line"; done
printf 'Total time %d s\n' "$SECONDS"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
((failed == 0))
