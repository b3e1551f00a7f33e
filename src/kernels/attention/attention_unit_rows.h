// What attention and its gradients on matrix units have in common: rows (queries, or keys) of a
// subgroup, whose totals are matrices that leave through shared memory.
#pragma once

#include "kernels/attention/attention_chunks.h"

namespace nxv::kernels {

// Of totals in shared memory two matrices are side by side; the distance of their rows, in elements
// of 16 bytes, is odd, against bank conflicts.
inline constexpr uint32_t kTotalsAtOnce = 2;
inline constexpr uint32_t kTotalsStride = kTotalsAtOnce * ir::kMatrixSide / 4 + 1;

// The type of matrices of factors.
ir::Type unit_factor(DType type, ir::Matrix use);
// A number of the type, but for those beyond its range, nearest to an f32; NaN may become another.
ir::Value unit_nearest(DType type, ir::Value x);
// Two numbers in the halves of a word, rounded to the nearest.
ir::Value unit_halves(DType type, ir::Value low, ir::Value high);

struct UnitRows {
  ir::Builder& b;
  uint32_t lanes, rows;    // of a subgroup
  ir::Value lane;          // of the subgroup
  ir::Value subgroup_row;  // its first row in the block

  UnitRows(ir::Builder& builder, uint32_t lane_count, uint32_t row_count);

  uint32_t matrices() const { return rows / ir::kMatrixSide; }
  // So many variables for matrices.
  std::vector<ir::Var> variables(uint32_t count, ir::Value fill) const;

  // Totals, `columns` matrices of each row of matrices, to memory by way of shared memory. All
  // invocations of the workgroup come here. scale(row in the block) multiplies a row.
  struct Result {
    ir::Value buffer, start, row_stride, first_row, row_end, width;
    DType type = DType::f16;
  };
  void store(ir::Shared shared, const Result& result, const std::vector<ir::Var>& totals,
             uint32_t columns, const std::function<ir::Value(ir::Value)>& scale) const;
};

}  // namespace nxv::kernels
