// Matrices from operands to workspaces, and from there to the output.
#pragma once

#include "kernels/linear/steps.h"

namespace nxv::kernels {

// Where the elements of matrices lie in an operand or in the output: element (r, c) of matrix i at
// first + i * batch_stride + r * row_stride + c * column_stride. Strides may wrap below zero.
struct MatrixView {
  uint64_t batch = 0, rows = 0, columns = 0;
  uint64_t batch_stride = 0, row_stride = 0, column_stride = 0;
  uint64_t first = 0;
};
// The whole view to a workspace of dense matrices, and back to the output.
void add_load(Steps& steps, int operand, const MatrixView& view, int to);
void add_store(Steps& steps, const MatrixView& view, int from);

}  // namespace nxv::kernels
