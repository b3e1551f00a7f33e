// Which tile computes a product. The order of additions is the same in all kernels (see
// matmul_kernel.h), so the choice is free to look at strides and alignment; but for matrix units,
// which types, sizes and plan alone choose.
#pragma once

#include <vector>

#include "kernels/matmul/matmul_tile.h"
#include "kernels/matmul/product.h"

namespace nxv::kernels {

struct MatmulCandidate {
  MatmulTile tile;
  const char* refusal = nullptr;  // why it does not compute the product; null: it could
};
// What may compute the product, best first: the first that is not refused does. The last is the
// plain kernel, which takes everything.
std::vector<MatmulCandidate> matmul_candidates(const Product& product, const Target& target);
MatmulTile choose_matmul(const Product& product, const Target& target);

// Why a tile cannot compute the product, or null.
const char* matmul_obstacle(const Product& product, const Target& target, const MatmulTile& tile);
// The tile for shared memory: of devices that have it, and beside matrix units.
MatmulTile choose_shared(const Product& product, const Target& target);
// Whether the plain kernel adds up the blocks of an element by different invocations, which keeps a
// device busy where the result alone would not.
bool adds_by_blocks(const Product& product, const Target& target);

// Teams of a workgroup of the plain kernel: of few elements, with not so many blocks that other
// workgroups had better take them.
uint32_t plain_teams(const Product& product, const Target& target);

// Tiles that suit devices of the target's kind, in no order: for tests and benchmarks.
std::vector<MatmulTile> candidate_tiles(const Target& target);

}  // namespace nxv::kernels
