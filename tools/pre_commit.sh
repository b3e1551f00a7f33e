#!/usr/bin/env bash
# What can be said of a commit within seconds: format of the staged files, includes, lengths, links, and
# clang-tidy of staged .cpp files where a build has been configured. By hand, with nothing staged, it
# looks at all that differs from the last commit. Files are read as they lie in the working tree. To
# have git run it before each commit:
#
#   ln -s ../../tools/pre_commit.sh .git/hooks/pre-commit
set -uo pipefail
cd "$(git rev-parse --show-toplevel)" || exit
source tools/environment.sh
most_tidied=8  # files; each takes seconds

names=$(git diff --cached --name-only --diff-filter=ACMR)
if [[ -z $names ]]; then
  names=$(git diff HEAD --name-only --diff-filter=ACMR; git ls-files --others --exclude-standard)
fi
# changed SUFFIXES: those of the changed files.
changed() { grep -E "\.($1)\$" <<<"$names"; }
lines() { grep -c . <<<"$1"; }

failed=0
# check NAME COMMAND...: prints what the command prints if it fails.
check() {
  local output
  output=$("${@:2}" 2>&1) && return
  printf -- '---- %s\n%s\n' "$1" "$output"
  failed=1
}
skip() { printf -- '---- %s: skipped, %s\n' "$1" "$2"; }

if cpp=$(changed 'cpp|h|hpp|c'); then
  if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    check clang-format xargs clang-format --dry-run -Werror <<<"$cpp"
  else
    skip clang-format "version 14 is needed"
  fi
  check includes tools/check_includes.sh
fi
if elixir=$(changed 'ex|exs'); then
  check 'mix format' xargs mix format --check-formatted <<<"$elixir"
fi
if sources=$(changed 'cpp|h|hpp|c|ex|exs|sh'); then
  check lengths xargs tools/check_lines.sh <<<"$sources"
fi
if changed 'md|livemd' >/dev/null; then
  check links tools/check_links.sh
fi
if cpp=$(changed 'cpp'); then
  if ! compgen -G 'build/*/compile_commands.json' >/dev/null; then
    skip clang-tidy "no build has been configured"
  elif ! clang-tidy --version 2>/dev/null | grep -q 'version 14\.'; then
    skip clang-tidy "version 14 is needed"
  elif (($(lines "$cpp") > most_tidied)); then
    skip clang-tidy "$(lines "$cpp") files; tools/tidy.sh takes them all"
  else
    check clang-tidy xargs tools/tidy.sh <<<"$cpp"
  fi
fi
((failed == 0)) || echo "tools/pre_commit.sh: see above; git commit --no-verify commits all the same"
exit "$failed"
