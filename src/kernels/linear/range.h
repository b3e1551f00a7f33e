// Powers of two that bring matrices into a range where squares neither overflow nor vanish.
#pragma once

#include "kernels/linear/steps.h"

namespace nxv::kernels {

inline constexpr int kUnscaled = -1;  // in place of a workspace of factors

// Brings each rows x columns matrix of a workspace, and the sizes of its columns, to a largest
// magnitude of 1 .. 2. Gives a workspace of factors for scale_back.
int add_scaling(Steps& steps, int matrices, int sizes, uint64_t batch, uint64_t rows,
                uint64_t columns);
// The factor that undoes it.
ir::Value scale_back(LinearKernel& k, ir::Value scales, ir::Value matrix);

// The largest magnitude of each column of rows x columns matrices, to a workspace of real numbers.
void add_column_sizes(Steps& steps, int matrices, int sizes, uint64_t batch, uint64_t rows,
                      uint64_t columns);

}  // namespace nxv::kernels
