// Pointwise regions: every element of the root on its own.
//
// Elements are handled in groups of four, so that one invocation owns whole words of the output.
// On a GPU each invocation takes one group. On a CPU a workgroup is one subgroup that walks a
// contiguous chunk, lanes adjacent, which keeps the caches and the JIT happy.
#include <algorithm>

#include "kernels/common/grid.h"
#include "kernels/common/region_emitter.h"
#include "kernels/lowering.h"
#include "kernels/pointwise/transpose.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Value;

enum Word { kGroups, kCount, kChunk, kWordCount };  // groups, elements, groups a workgroup

ir::Kernel generate(const Region& region, const Target& target, uint32_t workgroup, bool chunked) {
  Builder b("pointwise", workgroup);
  RegionEmitter emitter(b, region, target.math, {}, kWordCount);
  const int root = static_cast<int>(region.exprs.size()) - 1;
  const plan::DevicePlan& plan = *target.plan;
  const uint32_t groups_of_invocation =
      chunked ? plan.pointwise.chunk_elements / kGroup / workgroup : 1;
  const bool in_turn =
      is_heavy(region, Level::row, plan) &&
      groups_of_invocation * (1 + iterations_in_turn(region)) <= plan.max_loop_iterations;

  const auto group_at = [&](Value group) {
    Points points;
    points.row_group = group;
    points.row_end = emitter.extra_word(kCount);
    const Value first = group << 2, last = points.row_end - 1u;
    for (uint32_t i = 0; i < kGroup; ++i) {
      points.rows.push_back(i == 0 ? first : b.binary(ir::Opcode::min, first + i, last));
    }
    if (in_turn) {
      const GroupWriter writer(b, region.root->dtype);
      emitter.evaluate_in_turn(root, points,
                               [&](Value lane, const ir::Number& x) { writer.set(lane, x); });
      writer.store(emitter.output(), group);
    } else {
      emitter.evaluate(root, points);
      Group result;
      for (int i = 0; i < kGroup; ++i) result[i] = emitter.value(root, i);
      store_group(emitter.output(), group, result);
    }
    emitter.forget_all();
  };

  const Value local = b.builtin(ir::Builtin::local_index);
  const Value groups = emitter.extra_word(kGroups);
  if (!chunked) {
    const Value group = linear_group(b) * workgroup + local;
    b.if_(group < groups, [&] { group_at(group); });
  } else {
    const Value chunk = emitter.extra_word(kChunk);
    const Value begin = linear_group(b) * chunk;
    const Value end = b.binary(ir::Opcode::min, begin + chunk, groups);
    b.for_range(begin + local, end, b.u32(workgroup), group_at);
  }
  return b.finish();
}

}  // namespace

Lowering lower_pointwise(const Region& region, const Target& target) {
  if (reads_across(region, target)) return lower_tiled(region, target);
  const plan::DevicePlan& plan = *target.plan;
  const plan::PointwiseShape& shape = plan.pointwise;
  const auto groups = static_cast<uint64_t>((region.row_count + kGroup - 1) / kGroup);
  const bool chunked = shape.chunk_elements > shape.workgroup * kGroup;
  const uint64_t chunk =
      std::max<uint64_t>(1, chunked ? shape.chunk_elements / kGroup : shape.workgroup);

  Dispatch d;
  d.key = "p" + region.key;
  d.generate = [target, workgroup = shape.workgroup, chunked](const Region& r) {
    return generate(r, target, workgroup, chunked);
  };
  d.groups = fold_groups((groups + chunk - 1) / chunk, plan);
  d.extra_words = {static_cast<uint32_t>(groups), static_cast<uint32_t>(region.row_count),
                   static_cast<uint32_t>(chunk)};
  d.work = static_cast<uint64_t>(region.row_count) * region.exprs.size();
  Lowering lowering;
  lowering.in_place = true;
  lowering.dispatches.push_back(std::move(d));
  return lowering;
}

}  // namespace nxv::kernels
