#!/usr/bin/env bash
# Scripts run on FreeBSD and macOS, too: an interpreter that is found in PATH, nothing that only GNU's
# tools take, and a Makefile that BSD's make reads as well. No source of the library knows Linux alone.
# Prints every line that breaks it, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
status=0

# refuse WHY PATTERN FILE...: lines that have the pattern, but for comments and this file's.
refuse() {
  local why=$1 pattern=$2 found
  shift 2
  found=$(grep -nE -- "$pattern" "$@" /dev/null | grep -vE '^[^:]*:[0-9]+: *#' |
    grep -v '^tools/check_scripts.sh:' || true)
  if [[ -n $found ]]; then
    printf '%s:\n%s\n' "$why" "$found"
    status=1
  fi
}

scripts=()
while IFS= read -r file; do
  if [[ -f $file ]]; then scripts+=("$file"); fi
done < <(git ls-files --cached --others --exclude-standard '*.sh' .ci/run)

for script in "${scripts[@]}"; do
  read -r first <"$script"
  case $first in
    '#!/usr/bin/env bash' | '# Sourced by'*) bash -n "$script" || status=1 ;;
    '#!/bin/sh')
      for shell in dash 'busybox sh' sh; do
        if command -v "${shell%% *}" >/dev/null; then $shell -n "$script" || status=1; fi
      done
      ;;
    *)
      echo "$script: its first line is neither '#!/usr/bin/env bash' nor '#!/bin/sh': $first"
      status=1
      ;;
  esac
done

refuse 'an option or a program of GNU alone' \
  '\breadlink -f|\bdate -d|\bdate .*%N|\bsed (-i|-r|--)|\bgrep -[a-zA-Z]*P|\bstat -c|\bnproc\b|\bxargs (-d|-r)|-printf\b|\bsort -V|\btac\b|\b(cp|ls|mktemp|wc|sort|head|tail|rm|mv|ln) --[a-z]|\bmktemp -p|\bcp -a\b|\bhead -n -|(^|[^E]) (md5|sha256|sha1)sum ' \
  "${scripts[@]}" Makefile
refuse 'alternatives in a basic regular expression, of GNU alone' \
  "(grep|sed) (-[a-zA-Z]+ )*'[^']*\\\\\\|" "${scripts[@]}" Makefile
refuse 'of Linux alone' '/proc/|/dev/shm|\b(setsid|unshare|taskset|flock)\b' "${scripts[@]}" Makefile
sources=()
while IFS= read -r file; do
  if [[ -f $file ]]; then sources+=("$file"); fi
done < <(git ls-files --cached --others --exclude-standard 'src/*.cpp' 'src/*.h' 'nif/*.cpp' 'nif/*.h' 'include/*' 'tools/*.cpp' 'tools/*.h')
refuse 'of Linux alone' '/proc/|/dev/shm|<linux/|\b(epoll_|eventfd|memfd_|signalfd|timerfd_|inotify_)' \
  "${sources[@]}"
if command -v bmake >/dev/null; then
  bmake -n help demo test test-long stress bench package format clean >/dev/null || status=1
fi
exit "$status"
