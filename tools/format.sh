#!/usr/bin/env bash
# Formats every source file that git knows.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
git ls-files '*.cpp' '*.h' '*.hpp' '*.c' | xargs clang-format -i
mix format
