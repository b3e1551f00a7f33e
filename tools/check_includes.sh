#!/usr/bin/env bash
# Holds the list of allowed includes: which folder of src/ may include which. Prints every line that
# breaks it and fails.
#
# Test helpers (src/testing) and tests (*_test.cpp, *_test.h) may include anything.
set -euo pipefail
cd "$(dirname "$0")/.."

find src nif include -name '*.h' -o -name '*.hpp' -o -name '*.cpp' -o -name '*.def' | sort |
  grep -vE '^src/testing/|_test\.(cpp|h)$' |
  xargs awk '
BEGIN {
  # Folder: the folders it may include besides itself.
  allow["base"] = ""
  allow["ops"] = "base"
  allow["plan"] = "base"
  allow["graph"] = "base ops plan"
  allow["ir"] = "base ops plan"
  allow["schedule"] = "base ops plan graph ir"
  allow["kernels"] = "base ops plan graph ir"
  allow["spirv"] = "base ops plan ir"
  allow["library"] = "base ops plan graph"
  allow["vulkan"] = "base plan"
  allow["runtime"] = "base ops plan graph ir schedule kernels spirv library vulkan"
  allow["capi"] = "base ops plan graph ir schedule kernels spirv library vulkan runtime nxv"
  allow["nif"] = "nxv"
  allow["include"] = "nxv"
}
function refuse(why) {
  printf "%s:%d: %s: %s\n", FILENAME, FNR, why, $0
  refused = 1
}
!/^[ \t]*#[ \t]*include/ { next }
{
  split(FILENAME, path, "/")
  here = path[1] == "src" ? path[2] : path[1]
  if (!match($0, /["<][^">]+[">]/)) next
  header = substr($0, RSTART + 1, RLENGTH - 2)
  split(header, part, "/")
  there = part[1]
}
/<(vulkan\/|vk_)/ {
  if (here != "vulkan") refuse("Vulkan headers belong in src/vulkan")
  next
}
header ~ /^erl_/ {
  if (here != "nif") refuse("Erlang headers belong in nif")
  next
}
$0 !~ /"/ { next }
here == "nif" && header !~ /\// { next }
here != there {
  if (!(here in allow)) refuse("no rule for folder " here)
  else if (index(" " allow[here] " ", " " there " ") == 0)
    refuse(here " may include " (allow[here] == "" ? "nothing else" : "only: " allow[here]))
}
END { exit refused }'
