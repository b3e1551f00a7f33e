#!/usr/bin/env bash
# Fuzzers: tools/fuzz.sh SECONDS [NAME...] runs those of test/fuzz, or these, for so long each. What they
# find new is kept in build/fuzz/corpus/NAME, and an input that fails in build/fuzz/NAME-*, which the
# program then takes as its argument. Needs clang.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
seconds=${1:?usage: tools/fuzz.sh SECONDS [NAME...]}
shift
names=("$@")
if ((${#names[@]} == 0)); then
  for file in test/fuzz/*_fuzz.cpp; do names+=("$(basename "$file" _fuzz.cpp)"); done
fi
cmake --preset fuzz
cmake --build --preset fuzz --target "${names[@]/%/_fuzz}"

export LSAN_OPTIONS=${LSAN_OPTIONS:-suppressions=$root/cmake/sanitizers/lsan.supp}
export LP_NUM_THREADS=${LP_NUM_THREADS:-0}
failed=0
for name in "${names[@]}"; do
  kept=build/fuzz/corpus/$name
  mkdir -p "$kept" "test/fuzz/corpus/$name"
  echo "$name"
  # What was there before is run in any case.
  "build/fuzz/test/fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=60 -rss_limit_mb=8192 \
    -max_len=4000 -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" \
    "$kept" "test/fuzz/corpus/$name" || { failed=1; echo "FAILED: $name"; }
done
exit "$failed"
