// How the totals of tiles go to memory.
#pragma once

#include "kernels/matmul/matmul_kernel.h"

namespace nxv::kernels {

struct StoreLayout {
  Choice<bool> whole_groups = false;  // N is a multiple of four
  // Totals as they are, to the kernel's last workspace: elements that share a word of C must belong
  // to one invocation. Another kernel finishes.
  Choice<bool> to_workspace = false;
};

class MatmulStore {
 public:
  // `is_inside`: no row or column of a tile lies beyond the edge. Rows and columns are those of C,
  // unless it is seen otherwise.
  MatmulStore(MatmulKernel& kernel, const StoreLayout& layout, bool is_inside)
      : MatmulStore(kernel, layout, is_inside, kernel.m(), kernel.n()) {}
  MatmulStore(MatmulKernel& kernel, const StoreLayout& layout, bool is_inside, ir::Value rows,
              ir::Value columns)
      : kernel_(kernel),
        b_(kernel.b),
        layout_(layout),
        is_inside_(is_inside),
        rows_(rows),
        columns_(columns) {}

  // Four totals at elements start + column .. + 3 of C; those beyond the edge not at all. `start`
  // begins a row. `adds`: to what is there; C holds totals.
  void four(const ir::Value* totals, ir::Value start, ir::Value column, bool adds = false) const;
  // What is done for a row, if it lies inside.
  void if_row(ir::Value row, const std::function<void()>& body) const;

 private:
  void if_column(ir::Value column, const std::function<void()>& body) const;

  MatmulKernel& kernel_;
  ir::Builder& b_;
  const StoreLayout layout_;
  const bool is_inside_;
  const ir::Value rows_, columns_;
};

}  // namespace nxv::kernels
