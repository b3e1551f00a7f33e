#!/usr/bin/env bash
# Everything from a clean clone to numbers on the screen.
set -euo pipefail
"$(dirname "$0")/setup.sh" demo
source "$(dirname "$0")/environment.sh"
mix compile
exec mix run --no-compile examples/elixir/demo.exs
