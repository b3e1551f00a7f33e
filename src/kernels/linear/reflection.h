// Householder reflections within kernels.
#pragma once

#include "kernels/linear/linear_kernel.h"

namespace nxv::kernels {

// A matrix on its way to R, within a kernel.
struct Reflecting {
  ir::Value elements, factors, sizes;  // buffers
  ir::Value rows, columns, diagonal;
};

// The reflection that clears `column` below the diagonal (Golub & Van Loan, Matrix Computations,
// 5.1.3; without cancellation in v).
void reflect(LinearKernel& k, const Reflecting& h, ir::Value matrix, ir::Value column);

// Reflections and the rows x columns matrices that they are applied to, within a kernel.
struct Applying {
  ir::Value v, factors, to;          // buffers
  ir::Value rows, stride, diagonal;  // of v
  ir::Value columns;                 // of `to`
};

// How a workgroup lies over a matrix: `columns` lanes side by side, lanes / columns rows apart.
struct Tile {
  uint32_t lanes, columns;
  uint32_t rows() const { return lanes / columns; }
};

// Applies a reflection to the columns from begin + number * tile.columns on.
void apply(LinearKernel& k, const Applying& h, const Tile& tile, ir::Value matrix,
           ir::Value reflection, ir::Value begin, ir::Value number);

}  // namespace nxv::kernels
