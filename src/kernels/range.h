// Keeps the squares of a matrix's elements within the range of the working type.
#pragma once

#include "kernels/linear_kernel.h"

namespace nxv::kernels {

inline constexpr int kUnscaled = -1;

// Brings each rows x columns matrix of a workspace, and the sizes of its columns, to a largest
// magnitude of about one, by powers of two. Gives the workspace of its factors; kUnscaled, and does
// nothing, where the working type has range to spare.
int add_scaling(Steps& steps, int matrices, int sizes, uint64_t batch, uint64_t rows,
                uint64_t columns);

// What undoes it.
ir::Value scale_back(LinearKernel& k, ir::Value scales, ir::Value matrix);

}  // namespace nxv::kernels
