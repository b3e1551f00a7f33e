// Which tile of lines computes a product with few rows or columns (matmul_lines.h).
#pragma once

#include "kernels/matmul/matmul_tile.h"
#include "kernels/matmul/product.h"

namespace nxv::kernels {

// Why lines should not compute the product although they could, or null.
const char* line_objection(const Product& product, const Target& target);
// Why a tile of lines cannot compute it, or null.
const char* line_obstacle(const Product& product, const Target& target, const MatmulTile& tile);
MatmulTile choose_lines(const Product& product, const Target& target);

// The blocks that lines add up: those of all kernels, but shorter where order cannot show.
Accumulation line_accumulation(const Product& product, const Target& target);

// Tiles that differ in what kernels of lines do apart: for tests and benchmarks.
std::vector<MatmulTile> line_tiles();

}  // namespace nxv::kernels
