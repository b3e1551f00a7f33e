// Where an invocation of a reduction's kernel stands, and the points of a row that it evaluates.
#pragma once

#include "kernels/common/region_emitter.h"
#include "kernels/common/team.h"
#include "kernels/reduction/reduction.h"

namespace nxv::kernels {

class ReductionFrame {
 public:
  ReductionFrame(const Region& region, const Target& target, const ReductionLayout& layout);
  ReductionFrame(const ReductionFrame&) = delete;
  ReductionFrame& operator=(const ReductionFrame&) = delete;

  const Region& region;
  const ReductionLayout layout;
  const ir::math::MathOptions math;
  ir::Builder b;
  RegionEmitter emitter;
  const WordValues<ReductionWords> words;
  Team team;  // where it has lanes

  // Of those that share a unit; known once one of these was called.
  ir::Value lane() const { return lane_; }
  void be_alone() { lane_ = b.u32(0); }
  ir::Value place();  // returns the invocation's unit
  // Of invocations that go the same way (meets()): beyond the end, the last unit once more.
  ir::Value clamped(ir::Value unit);
  ir::Value exists() const { return exists_; }
  uint32_t columns() const { return layout.workgroup / layout.column; }  // of a workgroup
  // Whether this lane stores what its unit has found.
  ir::Value is_first();
  ir::Value partials_in() const { return emitter.workspace(0); }
  ir::Value partials_out() const { return emitter.workspace(layout.from_partials ? 1 : 0); }

  Points row_points(ir::Value row) const;
  // All columns that a short row has at most. Beyond the row's end the last elements are read
  // again.
  Points short_points(ir::Value row);
  // Whether a short row may end before this column.
  bool may_lack(uint32_t column) const;
  // A group of columns.
  Points element_points(ir::Value row, ir::Value column);
  // Evaluates, outside of the loops over columns, what an expression needs that does not change
  // along a row.
  void hoist(int expr, ir::Value row);

 private:
  ir::Value lane_;
  ir::Value exists_;  // where invocations go the same way: whether their unit does
};

}  // namespace nxv::kernels
