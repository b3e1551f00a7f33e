#!/usr/bin/env bash
# Which lines of src/ the unit test programs run: by folder, then the files with the least of them.
# tools/coverage.sh [FOLDER...]: by the tests of these folders, as nxv_FOLDER_test, by default by all.
# Builds the preset `coverage`; needs gcovr (Debian: gcovr). build/coverage/files.csv has every file.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
count=20  # files named
build=build/coverage
objects=$build/src/CMakeFiles/nxv_core.dir
if ! command -v gcovr >/dev/null; then
  echo "gcovr is needed; on Debian: apt-get install gcovr" >&2
  exit 1
fi

chosen='.*' targets=()
if (($# > 0)); then
  chosen=$(IFS='|'; echo "$*")
  for folder in "$@"; do targets+=(--target "nxv_${folder}_test"); done
fi

cmake --preset coverage >/dev/null
cmake --build --preset coverage ${targets[@]+"${targets[@]}"}
find "$build" -name '*.gcda' -delete
# A failing test does not hide what ran; it fails this script at the end.
status=0
LP_NUM_THREADS=0 ctest --test-dir "$build" --output-on-failure -j "$(getconf _NPROCESSORS_ONLN)" \
  --tests-regex "^($chosen)(_[0-9]+)?\$" --exclude-regex '^(check|example)_' || status=$?

# Notes of files that have moved since an earlier build.
find "$objects" -name '*.gcno' | while read -r notes; do
  source=src/${notes#"$objects/"}
  [[ -f ${source%.gcno} ]] || rm "$notes"
done
gcovr --root . --object-directory "$objects" -j "$(getconf _NPROCESSORS_ONLN)" --filter 'src/' \
  --csv "$build/files.csv" "$objects"

# Columns of the CSV: filename, line_total, line_covered, ...
echo
awk -F, '
  NR == 1 { next }
  {
    split($1, path, "/")
    total[path[2]] += $2; covered[path[2]] += $3
    total["all"] += $2; covered["all"] += $3
  }
  END {
    for (folder in total)
      printf "%-12s %6d of %6d lines %6.1f %%\n", folder, covered[folder], total[folder],
             100 * covered[folder] / total[folder]
  }' "$build/files.csv" | sort
echo
echo "Files with the most lines that no test runs:"
awk -F, 'NR > 1 && $2 > $3 { print $2 - $3, $1, $3, $2 }' "$build/files.csv" | sort -rn |
  awk -v count="$count" 'NR <= count {
    printf "%-44s %5d of %5d lines %6.1f %%\n", $2, $3, $4, 100 * $3 / $4
  }'
exit "$status"
