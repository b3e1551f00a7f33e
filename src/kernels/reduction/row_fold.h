// One reduction of a region, folded by the tree of fold.h as the kernel's layout says.
#pragma once

#include "kernels/common/fold.h"
#include "kernels/reduction/reduction_frame.h"

namespace nxv::kernels {

class RowFold {
 public:
  RowFold(ReductionFrame& frame, const Expr& reduction);

  // Evaluates what does not change along a row, outside of the loops over its columns.
  void hoist(ir::Value row);
  // All blocks of a row, and the tree over their results. All that share a row have the result, but
  // of a column of invocations, or of teams that gather partial results, only the first.
  Accumulator fold(ir::Value row);
  Accumulator fold_block(ir::Value row, ir::Value block);
  // Accumulator `index` % 32 of second-level block `index` / 32, its blocks shared out among the
  // teams of the workgroup.
  Accumulator fold_second_level(ir::Value row, ir::Value index);

  ir::Number result(const Accumulator& a) const { return fold_.result(a); }
  void store(ir::Value buffer, ir::Value index, const Accumulator& a) const {
    fold_.store(buffer, index, a);
  }

 private:
  Accumulator fold_short(ir::Value row);
  Accumulator gather(ir::Value row);
  Accumulator gathered(const SharedAccumulators& results, ir::Value blocks);
  Accumulator fold_block_by_column(ir::Value row, ir::Value begin, ir::Value end);
  Accumulator fold_at(ir::Value row, ir::Value begin, ir::Value offset, ir::Value end);
  Accumulator fold_whole(ir::Value row, ir::Value start);
  Accumulator take_partials(Accumulator to, ir::Value row, ir::Value start, ir::Value end,
                            uint32_t groups);
  Accumulator fold_accumulator(ir::Value row, ir::Value start, ir::Value end);

  ReductionFrame& frame_;
  const Region& region_;
  const ReductionLayout& layout_;
  ir::Builder& b_;
  RegionEmitter& emitter_;
  const WordValues<ReductionWords>& words_;
  const int element_;  // the expression that is folded
  const Fold fold_;
};

}  // namespace nxv::kernels
