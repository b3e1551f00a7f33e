// Rows that a subgroup exchanges with its matrices through shared memory: scores come as f32, go
// back as halves, and totals leave for memory.
#pragma once

#include "kernels/attention/attention_chunks.h"

namespace nxv::kernels {

// Others (keys, or queries) of a block; distances of rows of scores and of weights in shared
// memory, in elements of 16 bytes: odd, against bank conflicts.
inline constexpr uint32_t kUnitOthers = 32;
inline constexpr uint32_t kScoreStride = kUnitOthers / 4 + 1;
inline constexpr uint32_t kWeightStride = kUnitOthers / kHalves + 1;

// Two numbers in the halves of a word, rounded to the nearest.
ir::Value unit_halves(DType type, ir::Value low, ir::Value high);

struct UnitRows {
  ir::Builder& b;
  uint32_t lanes, rows;    // of a subgroup
  uint32_t sharers;        // invocations that share a row
  ir::Value lane;          // of the subgroup
  ir::Value subgroup_row;  // its first row in the block
  ir::Value own_row;       // the invocation's, in the block
  ir::Value part;          // which of its sharers it is

  UnitRows(ir::Builder& builder, uint32_t lane_count, uint32_t row_count);

  uint32_t matrices() const { return rows / ir::kMatrixSide; }
  // Scores of an invocation.
  uint32_t count() const { return kUnitOthers / sharers; }

  // Scores from `first` on in the array: sixteen rows and columns of a matrix.
  void put(ir::Shared shared, uint32_t first, uint32_t row_matrix, uint32_t column_matrix,
           ir::Value matrix) const;
  // The invocation's scores.
  std::vector<ir::Value> scores(ir::Shared shared, uint32_t first) const;
  // The invocation's weights.
  void put_weights(ir::Shared shared, uint32_t first, DType type,
                   const std::vector<ir::Value>& weights) const;
  ir::Value weights(ir::Shared shared, uint32_t first, ir::Type type, uint32_t row_matrix,
                    uint32_t column_matrix) const;

  // Totals, `columns` matrices of each row of matrices, to memory by way of the scores' place. All
  // invocations of the workgroup come here. scale(row in the block) multiplies a row.
  struct Result {
    ir::Value buffer, start, row_stride, first_row, row_end, width;
    DType type = DType::f16;
  };
  void store(ir::Shared shared, uint32_t first, const Result& result,
             const std::vector<ir::Var>& totals, uint32_t columns,
             const std::function<ir::Value(ir::Value)>& scale) const;
};

}  // namespace nxv::kernels
