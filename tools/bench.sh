#!/usr/bin/env bash
# Speed of additions beside the BEAM's own loops, and of matrix products.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
mix compile
exec mix run --no-compile bench/bench.exs
