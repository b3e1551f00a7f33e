// Sums of products on matrix units whose elements are computed with, as scores are.
//
// Which invocation has which element of a cooperative matrix is the device's secret, but it is the
// same for all accumulators: rows and columns of an invocation's elements are found by loading
// matrices that hold them, and a matrix of a vector repeated is loaded with a distance of 0. Maxima
// and sums of rows go through shared memory, a subgroup's own, in rows of 20 numbers, which no two
// invocations that read together find in one bank.
#pragma once

#include "kernels/attention/attention_chunks.h"

namespace nxv::kernels {

class UnitSums {
 public:
  // Of a kernel with so many invocations in a subgroup, which reduces the rows of so many matrices
  // at once. `in_registers`: accumulators become factors as they are (Capabilities::matrix_chains).
  UnitSums(ir::Builder& b, uint32_t lanes, uint32_t subgroups, uint32_t row_matrices, DType factors,
           bool in_registers);

  static uint32_t shared_bytes(uint32_t subgroups, uint32_t row_matrices, bool in_registers);

  uint32_t elements() const { return ir::elements(ir::kAccumulator) / lanes_; }  // an invocation's
  template <typename F>
  void each(F f) const {
    for (uint32_t e = 0; e < elements(); ++e) f(e);
  }

  // The row and the column of each of an invocation's elements, u32. A barrier parts this from the
  // kernel's start.
  std::vector<ir::Value> rows() const { return places(true); }
  std::vector<ir::Value> columns() const { return places(false); }

  // The accumulator whose rows (columns) are 16 numbers of an array of f32 from `first` on.
  ir::Value of_rows(ir::Shared vector, ir::Value first) const {
    return b_.matrix_load(vector, first, 0, ir::kAccumulator, true);
  }
  ir::Value of_columns(ir::Shared vector, ir::Value first) const {
    return b_.matrix_load(vector, first, 0, ir::kAccumulator, false);
  }

  // Combines the elements of each row, of a matrix for each sixteen rows; calls f(matrix, row,
  // value, is_first) for the rows of each, in all invocations that share one; is_first in one of
  // them. A subgroup barrier parts f's stores from what comes after.
  using OfRow = std::function<void(uint32_t matrix, ir::Value row, ir::Value v, ir::Value first)>;
  void reduce_rows(ir::Opcode op, const std::vector<ir::Var>& matrices, const OfRow& f) const;

  // The sums as a factor, rounded.
  ir::Value factor(ir::Var sums) const;

 private:
  std::vector<ir::Value> places(bool of_rows) const;
  ir::Value factor_by_memory(ir::Var sums) const;

  ir::Builder& b_;
  const uint32_t lanes_;
  const DType type_;
  const bool in_registers_;
  const ir::Type factor_;
  const uint32_t scratch_matrices_;
  const ir::Shared numbers_, scratch_, halves_;
  ir::Value lane_, own_scratch_, own_halves_;
};

}  // namespace nxv::kernels
