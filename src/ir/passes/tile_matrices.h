// Cooperative matrices of 16 rows and columns, made of smaller ones.
#pragma once

#include <cstdint>

#include "ir/kernel.h"

namespace nxv::ir {

// Of the sums that a device computes; divisors of kMatrixSide.
struct MatrixSides {
  uint32_t rows = kMatrixSide, columns = kMatrixSide;
};

// The same kernel with matrices of these sides, several in place of each that is larger. Every
// element is computed as it was.
Kernel tile_matrices(Kernel kernel, MatrixSides sides);

}  // namespace nxv::ir
