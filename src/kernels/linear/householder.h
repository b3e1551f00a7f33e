// Householder reflections of matrices in a workspace.
#pragma once

#include "kernels/linear/steps.h"

namespace nxv::kernels {

// Rows x columns matrices on their way to R. A reflection H = 1 - tau v v^H, v = (0, .., 0, 1, ..),
// leaves the rest of v below the diagonal, in its column.
struct Householder {
  uint64_t batch, rows, columns;
  int matrices;
  int factors;  // tau, real: min(rows, columns) a matrix
  int sizes;    // real: the largest magnitude of each column at the start

  // Makes the workspaces; `matrices` is filled by the caller.
  Householder(Steps& steps, uint64_t batch, uint64_t rows, uint64_t columns);
  uint64_t diagonal() const { return std::min(rows, columns); }
  // Reflections that triangular form takes. Those of real numbers make the diagonal positive, those
  // of complex ones turn its phase around; what has nothing below it stays if it is real or the
  // last of a square matrix.
  uint64_t reflections(bool is_complex) const {
    return is_complex && rows < columns ? rows : std::min(rows - 1, columns);
  }
};

// Brings all matrices to triangular form.
void add_triangularization(Steps& steps, const Householder& h);
// Multiplies rows x columns matrices in `to` by the product of all reflections from the left.
void add_reflections(Steps& steps, const Householder& h, uint64_t columns, int to);
// The first columns of that product, the orthogonal factor.
void add_orthogonal_factor(Steps& steps, const Householder& h, uint64_t columns, int to);

}  // namespace nxv::kernels
