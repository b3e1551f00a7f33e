#!/usr/bin/env bash
# That tools/setup.sh waits for apt's locks, and for nothing else: with programs in place of apt's.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# program NAME BODY
program() {
  printf '#!/usr/bin/env bash\n%s\n' "$2" >"$work/$1"
  chmod +x "$work/$1"
}
program sudo 'exec "$@"'
program sleep ''
program dpkg-query 'exit 1' # nothing is installed
program apt-get '
echo "$*" >>"'"$work"'/calls"
(($(wc -l <"'"$work"'/calls") > FAILURES)) || { echo "$MESSAGE" >&2; exit 100; }'

# expect STATUS CALLS FAILURES MESSAGE: what setup makes of as many failures of apt-get at first.
expect() {
  local status=0 calls
  : >"$work/calls"
  FAILURES=$3 MESSAGE=$4 PATH="$work:$PATH" tools/setup.sh demo >"$work/log" 2>&1 || status=$?
  calls=$(wc -l <"$work/calls")
  if ((status != $1 || calls != $2)); then
    echo "with \"$4\" $3 times: status $status, not $1; $calls calls of apt-get, not $2" >&2
    cat "$work/log" >&2
    return 1
  fi
}

lock='E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (unattended-upgr)'
expect 0 2 0 ''
expect 0 5 3 "$lock"
expect 1 1 1 'E: Unable to locate package'
