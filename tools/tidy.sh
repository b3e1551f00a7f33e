#!/usr/bin/env bash
# clang-tidy 14 with the checks of .clang-tidy: tools/tidy.sh [FILE.cpp...], by default all of src, nif,
# tools, test and examples. Fails when it finds something. Configures build/tidy for the compiler's commands,
# and builds nothing.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
if ! clang-tidy --version 2>/dev/null | grep -q 'version 14\.'; then
  echo "clang-tidy 14 is needed, as in Debian 12; other versions find other things" >&2
  exit 1
fi
if (($# == 0)); then
  files=$(git ls-files 'src/*.cpp' 'nif/*.cpp' 'tools/*.cpp' 'test/*.cpp' 'examples/*.cpp' 'examples/*.c')
else
  files=$(printf '%s\n' "$@")
fi

nif=OFF
command -v erl >/dev/null && nif=ON
cmake --preset dev -B build/tidy -DNXV_NIF="$nif" >/dev/null

# tidy FILE: its findings. What goes to stderr is a count of warnings in others' headers, unless
# clang-tidy itself fails.
tidy() {
  local findings errors
  errors=$(mktemp)
  findings=$(clang-tidy -p build/tidy --quiet "$1" 2>"$errors") && { rm "$errors"; return; }
  printf '%s:\n%s\n' "$1" "${findings:-$(cat "$errors")}"
  rm "$errors"
  return 1
}
export -f tidy
status=0
xargs -P "$(getconf _NPROCESSORS_ONLN)" -I{} bash -c 'tidy "$1"' tidy {} <<<"$files" || status=1
if ((status == 0)); then echo "$(wc -l <<<"$files") files, nothing found"; fi
exit "$status"
