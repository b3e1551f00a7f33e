#!/usr/bin/env bash
# Translates the kernels of the corpus, as an Apple GPU gets them by MoltenVK, to Metal's language with
# spirv-cross, which MoltenVK uses: tools/msl.sh [NXV], by default build/dev/tools/nxv. Fails when one
# is not translated, or when a product loses the sign of a zero by becoming fma(a, b, 0). Prints how
# many there are; modules and texts are left in build/msl/.
set -uo pipefail
cd "$(dirname "$0")/.."
nxv=${1:-build/dev/tools/nxv}
work=build/msl
rm -rf "$work"
"$nxv" kernels --corpus "$work" --known MoltenVK || exit
mkdir -p "$work/metal"
export work

# Files in, a line for each that is not translated out.
translate() {
  local module text why
  for module in "$@"; do
    text=$work/metal/$(basename "$module" .spv).metal
    why=$(spirv-cross --msl --msl-version 30000 --msl-argument-buffers --output "$text" "$module" 2>&1) ||
      echo "$module: $why"
  done
}
export -f translate
find "$work/spirv" -name '*.spv' | sort | xargs -n 50 -P "$(getconf _NPROCESSORS_ONLN)" \
  bash -c 'translate "$@"' translate >"$work/failures.txt"

modules=$(find "$work/spirv" -name '*.spv' | grep -c .)
failures=$(grep -c . "$work/failures.txt")
unsigned=$(grep -rl 'spvFMul' "$work/metal" | grep -c .)
echo "$modules modules, $((modules - failures)) translated, $failures not, $unsigned with products that lose the sign of zero"
head -n 20 "$work/failures.txt"
((modules > 0 && failures == 0 && unsigned == 0))
