#!/usr/bin/env bash
# No source file is longer than 600 lines: tools/check_lines.sh [FILE...], by default all files of the
# checkout. Prints every file that is, and fails.
#
# The files listed below are longer and are to be split. They must not grow, and leave the list once
# they are short enough.
set -euo pipefail
cd "$(dirname "$0")/.."

limits='
655 include/nxv/nxv.hpp
'

all=$(($# == 0))
sources=()
while IFS= read -r file; do
  if [[ $file =~ \.(cpp|h|hpp|c|ex|exs|sh)$ && -f $file ]]; then sources+=("$file"); fi
done < <(if ((all)); then git ls-files --cached --others --exclude-standard; else printf '%s\n' "$@"; fi)
((${#sources[@]} > 0)) || exit 0

wc -l "${sources[@]}" | awk -v all="$all" -v limits="$limits" '
BEGIN {
  most = 600
  n = split(limits, listed, "\n")
  for (i = 1; i <= n; i++)
    if (split(listed[i], part, " ") == 2) limit[part[2]] = part[1]
}
{
  file = $0
  sub(/^ *[0-9]+ /, "", file)
  if (file == "total") next
  seen[file]
  allowed = file in limit ? limit[file] : most
  if ($1 > allowed) {
    printf "%s: %d lines, %d at most: split it\n", file, $1, allowed
    refused = 1
  } else if ($1 <= most && file in limit) {
    unlisted[file]
  }
}
END {
  for (file in limit) if (all && !(file in seen)) unlisted[file]
  for (file in unlisted) {
    printf "%s: strike it from the list in tools/check_lines.sh\n", file
    refused = 1
  }
  exit refused
}'
