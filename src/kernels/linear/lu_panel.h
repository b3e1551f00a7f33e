// A block of columns of an LU decomposition with partial pivoting.
#pragma once

#include "kernels/linear/steps.h"

namespace nxv::kernels {

// The row of the largest magnitude on or below the diagonal: the first of equal ones, the last NaN.
class PivotSearch {
 public:
  // Where the lanes of a workgroup meet; used again behind a barrier.
  struct Meeting {
    explicit Meeting(LinearKernel& k);
    ir::Shared sizes, rows;
  };

  PivotSearch(LinearKernel& k, ir::Value column);
  void consider(ir::Value size, ir::Value row);
  // Over the workgroup, which meets there if it has several lanes.
  ir::Value row(const Meeting& meeting);

 private:
  LinearKernel& k_;
  ir::Var size_, row_;
};

// How many columns a workgroup may factor in registers, of so many rows: 0 where it pays nothing.
uint32_t shared_panel_columns(const Steps& steps, uint64_t rows);

// Factors the columns from `begin` on of n x n matrices, rows from there on, and notes the pivots:
// elements below the diagonal become factors. Other columns are left as they are.
void add_shared_panel(Steps& steps, int matrices, int pivots, uint64_t batch, uint64_t n,
                      uint64_t begin, uint32_t columns);

}  // namespace nxv::kernels
