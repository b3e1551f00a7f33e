#!/usr/bin/env bash
# No source file is longer than 600 lines: tools/check_lines.sh [FILE...], by default all files of the
# checkout. Prints every file that is, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."

sources=()
while IFS= read -r file; do
  if [[ $file =~ \.(cpp|h|hpp|c|ex|exs|sh)$ && -f $file ]]; then sources+=("$file"); fi
done < <(if (($# == 0)); then git ls-files --cached --others --exclude-standard; else printf '%s\n' "$@"; fi)
((${#sources[@]} > 0)) || exit 0

wc -l "${sources[@]}" | awk '
{
  file = $0
  sub(/^ *[0-9]+ /, "", file)
  if (file == "total" || $1 <= 600) next
  printf "%s: %d lines, 600 at most: split it\n", file, $1
  refused = 1
}
END { exit refused }'
