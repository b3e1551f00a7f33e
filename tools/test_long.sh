#!/usr/bin/env bash
# What takes too long for every change: both compilers, the sanitizers, everything under the layers.
set -uo pipefail
source "$(dirname "$0")/environment.sh"
export LP_NUM_THREADS=0
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$root/cmake/sanitizers/lsan.supp}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$root/cmake/sanitizers/tsan.supp:ignore_noninstrumented_modules=1}

failures=()
part() {
  local name=$1 start=$SECONDS
  shift
  echo "==== $name"
  "$@" || failures+=("$name")
  echo "==== $name: $((SECONDS - start)) s"
}

build_and_test() {
  local preset=$1 folder=$2
  shift 2
  cmake --preset "$preset" -B "$folder" "$@" && cmake --build "$folder" &&
    ctest --test-dir "$folder" --output-on-failure
}

tools/setup.sh test
part gcc build_and_test dev build/gcc -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++
if command -v clang++ >/dev/null; then
  part clang build_and_test dev build/clang -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++
else
  echo "SKIPPED: clang (not installed)"
fi
part asan build_and_test asan build/asan
part tsan build_and_test tsan build/tsan
part long-tests build/gcc/nxv_runtime_test --gtest_also_run_disabled_tests --gtest_filter='*Long*'
part layers env NXV_VALIDATION=1 NXV_CHECK_HAZARDS=1 \
  ctest --test-dir build/gcc --output-on-failure
part elixir-layers \
  env NXV_VALIDATION=1 NXV_CHECK_HAZARDS=1 VK_ADD_DRIVER_FILES="$(second_device)" mix test
part stress env -u LP_NUM_THREADS tools/stress.sh

echo
for name in "${failures[@]}"; do echo "FAILED: $name"; done
printf '%d parts failed\n' "${#failures[@]}"
((${#failures[@]} == 0))
