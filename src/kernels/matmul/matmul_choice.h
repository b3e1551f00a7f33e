// Which tile computes a product. The order of additions is the same in all kernels (see
// matmul_kernel.h), so the choice is free to look at strides and alignment; but for matrix units,
// which types, sizes and plan alone choose.
#pragma once

#include <vector>

#include "kernels/matmul/matmul_tile.h"
#include "kernels/matmul/product.h"

namespace nxv::kernels {

// Tiles that suit devices of the target's kind, in no order.
std::vector<MatmulTile> candidate_tiles(const Target& target);

MatmulTile choose_matmul(const Product& product, const Target& target);
// Why a tile cannot compute the product, or null.
const char* matmul_obstacle(const Product& product, const Target& target, const MatmulTile& tile);
// The tile for f32 on devices with shared memory.
MatmulTile choose_shared(const Product& product, const Target& target);

}  // namespace nxv::kernels
