#!/usr/bin/env bash
# The tests that every change must pass, one compiler, under 20 minutes on two cores. Prints the time
# of each part, what it skips and why, and ends with totals. Output of the parts: build/test/.
# ONLY=unit,layers runs some parts; see tools/parts.sh.
set -uo pipefail
source "$(dirname "$0")/environment.sh"
logs=build/test
rm -rf "$logs"
source tools/parts.sh

setup() { tools/setup.sh test; }

setup_locks() { tools/setup_test.sh && part_passed=1; }

includes() { tools/check_includes.sh && part_passed=1; }

links() { tools/check_links.sh && part_passed=1; }

scripts() { tools/check_scripts.sh && part_passed=1; }

lines() { tools/check_lines.sh && part_passed=1; }

format_cpp() {
  git ls-files '*.cpp' '*.h' '*.hpp' '*.c' | xargs clang-format --dry-run -Werror && part_passed=1
}

format_elixir() { mix format --check-formatted && part_passed=1; }

build() { cmake --preset dev && cmake --build --preset dev; }

unit() { LP_NUM_THREADS=0 run_ctest "$logs/unit.log" --test-dir build/dev; }

# The programs that drive a device, under the layers; a message is a failure of its test.
layers() {
  local program status=0
  for program in vulkan runtime device capi; do
    program=build/dev/nxv_${program}_test
    [[ -x $program ]] || continue
    LP_NUM_THREADS=0 NXV_VALIDATION=1 NXV_CHECK_HAZARDS=1 "$program" --gtest_brief=1 || status=1
  done
  count_gtest "$logs/layers.log"
  return "$status"
}

conformance() { LP_NUM_THREADS=0 run_conformance "$logs/conformance.log" build/dev; }

# On a driver that shares no code with Mesa, without f64, 64-bit integers and subnormals: as the CPU
# that it is, and with what GPUs have. Tests ask for what they need, and are skipped without it.
swiftshader() {
  local -x VK_DRIVER_FILES=$1 NXV_PROFILE
  local status=0 passed=0 failed=0 skipped=0 log
  add() { ((passed += part_passed, failed += part_failed, skipped += part_skipped)) || true; }
  if [[ -n $vectors ]]; then
    for NXV_PROFILE in cpu discrete; do
      log=$logs/swiftshader-$NXV_PROFILE.log
      run_conformance "$log" build/dev >"$log" || status=1
      add
    done
  fi
  unset NXV_PROFILE
  log=$logs/swiftshader-runtime.log
  build/dev/nxv_runtime_test --gtest_brief=1 >"$log" 2>&1 || status=1
  count_gtest "$log"
  add
  part_passed=$passed part_failed=$failed part_skipped=$skipped
  ((status == 0)) || tail -n 40 "$logs"/swiftshader-*.log
  return "$status"
}

elixir_tests() { LP_NUM_THREADS=0 run_mix_test "$logs/elixir.log"; }

# Whether the VM ends as it is told to while a device is at work. ctest runs the C++ program.
exits() {
  env -u ONLY PROGRAMS=elixir COUNT=2 test/exits/run.sh --simulated
  local status=$?
  part_passed=$(grep -c ': 0 of 2 wrong' "$logs/exits.log")
  part_failed=$(grep -c ': [12] of 2 wrong' "$logs/exits.log")
  return "$((status == 77 ? 0 : status))"
}

stress() { run_stress "$logs/stress.log" QUICK=1; }

main() {
  run setup setup || return
  run setup-locks setup_locks
  run includes includes
  run lines lines
  run links links
  run scripts scripts
  if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    run format-cpp format_cpp
  else
    skip format-cpp "clang-format 14 is needed, as in Debian 12; other versions format differently"
  fi
  run format-elixir format_elixir

  if run build build; then
    run unit unit
    if has_layers; then
      run layers layers
    else
      skip layers "the Vulkan validation layers are not installed"
    fi
    if [[ -n $vectors ]]; then
      run conformance conformance
    else
      skip conformance "no vectors; name their folder in NXV_VECTORS"
    fi
    local manifest
    if manifest=$(tools/swiftshader.sh 2>"$logs/swiftshader.why"); then
      run swiftshader swiftshader "$manifest"
    else
      skip swiftshader "$(<"$logs/swiftshader.why")"
    fi
  fi

  run elixir elixir_tests
  run exits exits
  [[ $NXV_NX == none ]] && skip nx "tests with Nx; name its sources in NXV_NX"
  [[ -z ${NXV_AXON:-}${NXV_BUMBLEBEE:-} ]] && skip axon "tests with Axon; name its sources in NXV_AXON"
  [[ -z ${NXV_BUMBLEBEE:-} ]] && skip bumblebee "tests with Bumblebee; name its sources in NXV_BUMBLEBEE"
  run stress stress
}

main
finish
