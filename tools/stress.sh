#!/usr/bin/env bash
# The breakage hunt, from Elixir. QUICK=1 within three minutes. ONLY=race,churn runs those sections.
set -euo pipefail
source "$(dirname "$0")/environment.sh"
export MIX_ENV=${MIX_ENV:-dev}
mix compile
exec mix run --no-compile test/stress/stress.exs
