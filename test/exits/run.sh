#!/usr/bin/env bash
# Ends programs, in every way, while an engine is at work, and counts those that do not end with the
# status that they were told. A line for each way: "return: 0 of 50 wrong". Needs only what was built
# before: the folder may have been copied from another machine.
#
#   test/exits/run.sh               on the device at hand, 50 times each way
#   test/exits/run.sh --simulated   on a driver that does not forgive calls at the end of the process;
#                                   it stands before lavapipe, which must be installed
#
#   COUNT=5         times each way
#   JOBS=8          of them at once, by default 1
#   ONLY=exit,halt  these ways
#   PROGRAMS=cpp    the C++ program alone; elixir: the script alone, which needs a compiled nx_vulkan
#   BUILD           folder of the C++ build, by default build/dev: targets nxv_exits,
#                   nxv_exits_unload, and nxv_exits_driver to simulate
#   SLOW=5          milliseconds that each compilation and submission takes longer when simulated
set -uo pipefail
source "$(dirname "$0")/../../tools/environment.sh"
programs=${PROGRAMS:-cpp,elixir}
count=${COUNT:-50}
jobs=${JOBS:-1}
folder=$(realpath "${BUILD:-build/dev}")/test/exits
export LP_NUM_THREADS=${LP_NUM_THREADS:-0}
# The programs name the folder that they were linked in.
libraries=$(dirname "$(dirname "$folder")")
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}

if [[ ${1:-} == --simulated ]]; then
  manifest=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json /usr/local/share/vulkan/icd.d/lvp_icd*.json \
    2>/dev/null | head -n 1)
  if [[ -z $manifest ]]; then
    echo "SKIPPED: there is no lavapipe to simulate a driver with"
    exit 77
  fi
  NXV_EXITS_DRIVER=$(sed -n 's/.*"library_path": *"\([^"]*\)".*/\1/p' "$manifest")
  NXV_EXITS_SLOW=${SLOW:-5}
  # The second name is that of older loaders.
  VK_DRIVER_FILES=$folder/driver.json VK_ICD_FILENAMES=$folder/driver.json
  export NXV_EXITS_DRIVER NXV_EXITS_SLOW VK_DRIVER_FILES VK_ICD_FILENAMES
fi

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
status=0
ways=0

# attempt FILE STATUS COMMAND...: leaves FILE.wrong if the command ends otherwise.
attempt() {
  local file=$1 expected=$2 got
  shift 2
  timeout -s KILL 60 "$@" </dev/null >"$file.log" 2>&1
  got=$?
  if ((got != expected)); then
    echo "status $got instead of $expected; $(tail -n 1 "$file.log")" >"$file.wrong"
  fi
}

# repeat WAY STATUS COMMAND...: says how many of the runs ended otherwise, and how the last of them did.
repeat() {
  local way=$1 i wrong shown=
  shift
  [[ -z ${ONLY:-} || ,$ONLY, == *,$way,* ]] || return 0
  ((++ways))
  for ((i = 1; i <= count; ++i)); do
    attempt "$logs/$way.$i" "$@" 2>/dev/null &
    ((i % jobs)) || wait
  done
  wait
  wrong=$(find "$logs" -name "$way.*.wrong" | sort)
  if [[ -n $wrong ]]; then
    status=1
    shown=" ($(cat "$(tail -n 1 <<<"$wrong")"))"
  fi
  echo "$way: $(grep -c . <<<"$wrong") of $count wrong$shown"
  rm -f "$logs"/*
}

if [[ ,$programs, == *,cpp,* ]]; then
  names=$("$folder/nxv_exits") || exit 1
  for way in $names; do repeat "$way" 3 "$folder/nxv_exits" "$way"; done
  library=$(ls "$libraries"/libnxv.so.0 "$libraries"/libnxv.dylib 2>/dev/null | head -n 1)
  repeat unload 3 "$folder/nxv_exits_unload" "$library"
fi

if [[ ,$programs, == *,elixir,* ]]; then
  # What was compiled last, whatever the environment.
  nif=$(ls -t "${MIX_BUILD_ROOT:-_build}"/*/lib/nx_vulkan/priv/nxv_nif.* 2>/dev/null | head -n 1)
  ebin=${nif%/priv/*}/ebin
  if [[ -z $nif ]] || ! command -v elixir >/dev/null; then
    echo "SKIPPED: the ways of Elixir: mix compile comes first"
    ((++ways))
  else
    while read -r way expected; do
      repeat "$way" "$expected" elixir -pa "$ebin" test/exits/ways.exs "$way"
    done < <(elixir -pa "$ebin" test/exits/ways.exs)
  fi
fi
if ((ways == 0)); then
  echo "no way was tried"
  exit 1
fi
exit "$status"
