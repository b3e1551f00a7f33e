#include "kernels/reduction/reduction_frame.h"

#include "kernels/common/grid.h"

namespace nxv::kernels {

using ir::Opcode;
using ir::Value;

ReductionFrame::ReductionFrame(const Region& r, const Target& target, const ReductionLayout& l)
    : region(r),
      layout(l),
      math(target.math),
      b(r.kind == RegionKind::reduction ? "reduction" : "row_program", l.workgroup),
      emitter(b, r, target.math, kWordsOf<ReductionWords>,
              int{l.from_partials} + int{l.to_partials}),
      words(emitter.words_as<ReductionWords>()),
      team(b, l.lanes, l.subgroup_size, l.workgroup) {
  b.set_subgroup_size(l.subgroup_size);
}

Value ReductionFrame::place() {
  if (layout.column > 1) {
    const Value local = b.builtin(ir::Builtin::local_index);
    lane_ = local / columns();
    return linear_group(b) * columns() + local % columns();
  }
  if (layout.lanes == 1) {
    be_alone();
    return linear_group(b) * layout.workgroup + b.builtin(ir::Builtin::local_index);
  }
  lane_ = team.lane();
  if (layout.unit_is_workgroup()) return linear_group(b);
  return linear_group(b) * (layout.workgroup / layout.lanes) + team.index();
}

Value ReductionFrame::clamped(Value unit) {
  exists_ = unit < words[&ReductionWords::units];
  return b.binary(Opcode::min, unit, words[&ReductionWords::units] - 1u);
}

Value ReductionFrame::is_first() {
  Value first = lane_ == 0u;
  if (layout.unit_is_workgroup()) first = first & (team.index() == 0u);
  return layout.meets() ? first & exists_ : first;
}

Points ReductionFrame::row_points(Value row) const {
  Points points;
  points.rows = {row};
  points.row_end = words[&ReductionWords::rows];
  points.col_end = words[&ReductionWords::columns];
  return points;
}

Points ReductionFrame::short_points(Value row) {
  const Value end = words[&ReductionWords::columns];
  Points points = row_points(row);
  points.element_base = row * end;
  for (uint32_t c = 0; c < layout.short_columns; ++c) {
    Value column = b.u32(c);
    if (region.fixed_columns) points.fixed_cols.push_back(c);
    if (layout.aligned && c % kGroup == 0) {
      if (may_lack(c)) column = b.binary(Opcode::min, column, end - kGroup);
      points.element_groups.push_back((points.element_base + column) >> 2);
    } else if (layout.aligned) {
      column = points.cols[c - c % kGroup] + c % kGroup;
    } else if (may_lack(c)) {
      column = b.binary(Opcode::min, column, end - 1u);
    }
    points.cols.push_back(column);
  }
  return points;
}

bool ReductionFrame::may_lack(uint32_t column) const {
  if (layout.exact) return false;
  return column >= (layout.short_columns == kGroup ? 1 : layout.short_columns / 2);
}

Points ReductionFrame::element_points(Value row, Value column) {
  Points points = row_points(row);
  points.element_base = row * words[&ReductionWords::columns];
  for (uint32_t i = 0; i < kGroup; ++i) {
    Value at = i == 0 ? column : column + i;
    if (!layout.aligned) {
      at = b.binary(Opcode::min, at, words[&ReductionWords::columns] - 1u);
    }
    points.cols.push_back(at);
  }
  if (layout.aligned) points.element_groups = {(points.element_base + column) >> 2};
  return points;
}

void ReductionFrame::hoist(int expr, Value row) {
  const Expr& e = region.exprs[expr];
  if (e.kind == ExprKind::reduce) return;
  if (e.level == Level::row) return emitter.evaluate(expr, row_points(row));
  for (int16_t arg : e.args) {
    if (arg >= 0) hoist(arg, row);
  }
}

}  // namespace nxv::kernels
