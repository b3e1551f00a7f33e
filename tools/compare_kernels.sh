#!/usr/bin/env bash
# Which kernels of the corpus a change changes: tools/compare_kernels.sh BEFORE [AFTER]
#
# BEFORE and AFTER are commits; without AFTER it is the working tree. Builds `nxv kernels` of each in
# build/kernels/, and prints how many lines of their indexes differ and, by name of kernel, how many
# instructions there were and are. The lists are left in build/kernels/. Fails when anything differs.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$PWD/build/kernels
mkdir -p "$work"

# corpus_of SOURCE NAME: the corpus of a source tree in $work/NAME.corpus
corpus_of() {
  cmake -S "$1" -B "$work/$2.build" -G Ninja -DCMAKE_BUILD_TYPE=Dev >"$work/$2.log"
  cmake --build "$work/$2.build" --target nxv-cli >>"$work/$2.log"
  rm -rf "$work/$2.corpus"
  "$work/$2.build/tools/nxv" kernels --corpus "$work/$2.corpus"
}

# checkout COMMIT NAME
checkout() {
  git worktree remove --force "$work/$2" 2>/dev/null || true
  git worktree add --force --detach "$work/$2" "$1" >/dev/null 2>&1
}

checkout "$1" before
corpus_of "$work/before" before
if (($# > 1)); then
  checkout "$2" after
  corpus_of "$work/after" after
else
  corpus_of "$PWD" after
fi

# A line of an index is "place | what the kernel is"; places hold equal kernels more than once.
sort "$work/before.corpus/index.txt" >"$work/before.txt"
sort "$work/after.corpus/index.txt" >"$work/after.txt"
comm -23 "$work/before.txt" "$work/after.txt" >"$work/only_before.txt"
comm -13 "$work/before.txt" "$work/after.txt" >"$work/only_after.txt"
awk -F' [|] ' -v lines="$(wc -l <"$work/before.txt")" '
  NF < 8 { refused++; next }
  {
    split($7, size, " ")
    if (FILENAME ~ /only_before/) { n[$5]++; was[$5] += size[1] } else { m[$5]++; is[$5] += size[1] }
    names[$5]
  }
  END {
    for (name in names)
      printf "%-24s %5d lines of %9d instructions -> %5d lines of %9d\n", name, n[name], was[name], m[name], is[name] | "sort"
    close("sort")
    if (refused) printf "%d lines of refused graphs differ\n", refused
    total = 0
    for (name in n) total += n[name]
    printf "%d of %d lines differ\n", total, lines
  }' "$work/only_before.txt" "$work/only_after.txt"
! [[ -s $work/only_before.txt || -s $work/only_after.txt ]]
