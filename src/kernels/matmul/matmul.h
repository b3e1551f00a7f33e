// Batched matrix products C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], open to benchmarks
// and tests.
#pragma once

#include "kernels/lowering.h"
#include "kernels/matmul/matmul_choice.h"

namespace nxv::kernels {

// As lower_matmul, with the tile given. Throws Error(invalid_argument) when the tile cannot compute
// the region on that target.
Lowering lower_matmul(const Region& region, const Target& target, const MatmulTile& tile);
// On matrix units, with the smallest tile, whatever the size of the region: for tests of the units.
Lowering lower_small_units(const Region& region, const Target& target);

}  // namespace nxv::kernels
