#!/usr/bin/env bash
# What takes too long for every change: clang-tidy, both compilers, the sanitizers, thousands of random
# calls, graphs, functions and definitions, everything under the layers. A part that fails stops no
# other. Output of the parts: build/test_long/. ONLY=asan,tsan runs some parts, each of which builds what
# it needs; see tools/parts.sh.
#
#   tidy                            clang-tidy; tools/tidy.sh
#   gcc clang asan tsan             all C++ tests in a build of their own, build/PART
#   calls graphs functions devices long
#                                   the tests that are off by default, by what they draw
#   fuzz                            each fuzzer for a minute; tools/fuzz.sh
#   faults                          failures of the driver and of allocations, in every place
#   definitions                     2000 random ones, compiled and evaluated; with Nx
#   concurrency                     100 processes call definitions for a minute; with Nx
#   livebooks                       the cells of guides/livebooks, in order; with Nx
#   conformance layers elixir stress
#   libcxx                          clang with libc++ instead of libstdc++
#   aarch64                         compiled for 64-bit ARM; what needs no device runs in qemu
#   windows                         compiled by mingw-w64; tests, examples and conformance run in Wine
#   msl                             kernels for MoltenVK as Metal's language; tools/msl.sh
#   package                         archives for releases, and what Mix makes of them
set -uo pipefail
source "$(dirname "$0")/environment.sh"
logs=build/test_long
source tools/parts.sh
export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$root/cmake/sanitizers/lsan.supp}
export TSAN_OPTIONS=${TSAN_OPTIONS:-suppressions=$root/cmake/sanitizers/tsan.supp:ignore_noninstrumented_modules=1}

setup() { tools/setup.sh test-long; }

tidy() { tools/tidy.sh && part_passed=1; }

# build NAME PRESET OPTIONS...
build() { cmake --preset "$2" -B "build/$1" "${@:3}" && cmake --build "build/$1"; }

build_gcc() { build gcc dev -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++; }

# test_build NAME: what is built, with one thread for small kernels.
test_build() {
  LP_NUM_THREADS=0 run_ctest "$logs/$1.log" --test-dir "build/$1"
}

gcc() { build_gcc && test_build gcc; }
clang() {
  build clang dev -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ && test_build clang
}
sanitized() { build "$1" "$1" && test_build "$1"; }

# disabled NAME PROGRAM FILTER: tests that are off by default.
disabled() {
  local status
  build_gcc || return
  LP_NUM_THREADS=0 "build/gcc/nxv_$2_test" --gtest_also_run_disabled_tests --gtest_filter="$3"
  status=$?
  count_gtest "$logs/$1.log"
  return "$status"
}

layers() {
  build_gcc && NXV_VALIDATION=1 NXV_CHECK_HAZARDS=1 LP_NUM_THREADS=0 \
    run_ctest "$logs/layers.log" --test-dir build/gcc
}

conformance() {
  build_gcc && LP_NUM_THREADS=0 run_conformance "$logs/conformance.log" build/gcc
}

elixir_layers() {
  NXV_VALIDATION=1 NXV_CHECK_HAZARDS=1 LP_NUM_THREADS=0 run_mix_test "$logs/elixir.log"
}

# Kernels are kept until the VM ends: not all in one.
definitions() {
  local seed
  for seed in 1 501 1001 1501; do
    NXV_SEED=$seed NXV_DEFINITIONS=500 LP_NUM_THREADS=0 \
      mix test test_nx/nx/vulkan/compiler/random_test.exs || return
    ((part_passed += 500))
  done
}

concurrency() {
  NXV_SECONDS=60 LP_NUM_THREADS=0 \
    mix test test_nx/nx/vulkan/compiler/concurrency_test.exs && part_passed=2
}

# Each in a VM of its own, which is a node, as Livebook's runtimes are. Status 77: skipped, and it says why.
livebooks() {
  local file status=0 one
  for file in guides/livebooks/*.livemd; do
    VK_ADD_DRIVER_FILES=$(second_device) MIX_ENV=test LP_NUM_THREADS=0 elixir --sname livebook --cookie livebook \
      -S mix run tools/run_livebook.exs "$file"
    one=$?
    case $one in
      0) ((part_passed += 1)) ;;
      77) ((part_skipped += 1)) ;;
      *) ((part_failed += 1, status = 1)) ;;
    esac
  done
  return "$status"
}

gtest_source=/usr/src/googletest
# Tests that need no device, by their programs. Those of kernels take minutes: a part of them.
deviceless='^(base|graph|ir|library|ops|plan|schedule|spirv|testing|tools)$'
slice() {
  local program=$1 parts=$2
  shift 2
  echo "test of every ${parts}th kernel's tests: $program"
  GTEST_TOTAL_SHARDS=$parts GTEST_SHARD_INDEX=0 "$@" "$program" --gtest_brief=1
}

libcxx() {
  local flags=-stdlib=libc++
  build libcxx dev -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ "-DCMAKE_CXX_FLAGS=$flags" \
    "-DNXV_GTEST_SOURCE=$gtest_source" -DNXV_TEST_LIBRARIES=OFF &&
    run_ctest "$logs/libcxx.log" --test-dir build/libcxx -R "$deviceless"
}

# cross NAME TOOLCHAIN: with the NIF, against this machine's header, of which both have the same.
cross() {
  build "$1" dev "-DCMAKE_TOOLCHAIN_FILE=$root/cmake/toolchains/$2.cmake" -DNXV_NIF=ON \
    "-DNXV_GTEST_SOURCE=$gtest_source"
}

aarch64() {
  local status=0
  cross aarch64 aarch64-linux || return
  run_ctest "$logs/aarch64.log" --test-dir build/aarch64 -R "$deviceless" || status=1
  slice build/aarch64/nxv_kernels_test 20 qemu-aarch64 -L /usr/aarch64-linux-gnu || status=1
  count_gtest "$logs/aarch64.log"
  return "$status"
}

# Wine hands Vulkan on to this machine's loader, by its driver for X, which wants a display.
in_wine() {
  WINEPREFIX=$root/build/wine WINEDEBUG=-all WINEPATH=$root/build/windows LP_NUM_THREADS=0 \
    xvfb-run -a "$@"
}

# What a library of Windows exports that does not match.
exports_beside() {
  x86_64-w64-mingw32-objdump -p "$1" | awk '/^\[Ordinal\/Name Pointer\]/ { on = 1; next }
    on && NF == 0 { on = 0 } on { print $NF }' | grep -vE "$2"
}

windows() {
  local status=0 passed failed skipped
  cross windows mingw-w64 || return
  if exports_beside build/windows/libnxv.dll '^nxv_' ||
    exports_beside build/windows/nif/nxv_nif.dll '^nif_init$'; then
    echo "libraries export more than they should, above"
    status=1
  fi
  in_wine ctest --verbose --test-dir build/windows -R "$deviceless|^(vulkan|example_.*)$" || status=1
  in_wine bash -c "$(declare -f slice); slice build/windows/nxv_kernels_test.exe 20 wine" || status=1
  in_wine wine build/windows/tools/nxv.exe info || status=1
  count_gtest "$logs/windows.log"
  passed=$part_passed failed=$part_failed skipped=$part_skipped
  if [[ -n $vectors ]]; then
    in_wine wine build/windows/tools/nxv-conformance.exe "$vectors" --allow-unsupported || status=1
    read -r part_passed part_failed part_skipped < <(
      awk '$1 == "total" { print $2, $3, $4 + 0; n++ } END { if (!n) print 0, 1, 0 }' "$logs/windows.log")
  fi
  ((part_passed += passed, part_failed += failed, part_skipped += skipped))
  return "$status"
}

msl() {
  build_gcc && tools/msl.sh build/gcc/tools/nxv || return
  part_passed=$(awk '/ modules, / { print $3 }' "$logs/msl.log")
}

package() { tools/package.sh && tools/package_test.sh && part_passed=$(grep -c '^ok: ' "$logs/package.log"); }

fuzz() { tools/fuzz.sh 60 && part_passed=$(ls test/fuzz/*_fuzz.cpp | wc -l); }

stress() { run_stress "$logs/stress.log"; }

run setup setup
if clang-tidy --version 2>/dev/null | grep -q 'version 14\.'; then
  run tidy tidy
else
  skip tidy "clang-tidy 14 is needed, as in Debian 12; other versions find other things"
fi
run gcc gcc
if command -v clang++ >/dev/null; then
  run clang clang
else
  skip clang "clang is not installed"
fi
if command -v clang++ >/dev/null; then
  run fuzz fuzz
else
  skip fuzz "clang is not installed"
fi
run asan sanitized asan
run tsan sanitized tsan
run calls disabled calls device 'RandomCall.DISABLED_Long*'
run graphs disabled graphs device 'RandomGraph.DISABLED_Long*'
run functions disabled functions device 'RandomFunction.DISABLED_Long*'
run devices disabled devices kernels '*.DISABLED_Long*'
run faults disabled faults faults '*.DISABLED_Long*'
run long disabled long device '*.DISABLED_Long*:-RandomCall.*:RandomGraph.*:RandomFunction.*'
# needs NAME PROGRAM...: runs the part of that name where they are there.
needs() {
  local name=$1 program
  shift
  for program in "$@"; do
    if ! command -v "$program" >/dev/null; then
      skip "$name" "there is no $program"
      return
    fi
  done
  run "$name" "$name"
}
needs libcxx clang++
needs aarch64 aarch64-linux-gnu-g++ qemu-aarch64
needs windows x86_64-w64-mingw32-g++-posix wine xvfb-run
needs msl spirv-cross
needs package cpack
if [[ -n $vectors ]]; then
  run conformance conformance
else
  skip conformance "no vectors; name their folder in NXV_VECTORS"
fi
if has_layers; then
  run layers layers
  run elixir elixir_layers
else
  skip layers "the Vulkan validation layers are not installed"
fi
if [[ $NXV_NX == none ]]; then
  skip definitions "there is no Nx; name its sources in NXV_NX"
  skip concurrency "there is no Nx"
  skip livebooks "there is no Nx"
else
  run definitions definitions
  run concurrency concurrency
  run livebooks livebooks
  grep -h '^SKIPPED: ' "$logs/livebooks.log" 2>/dev/null
fi
run stress stress
finish
