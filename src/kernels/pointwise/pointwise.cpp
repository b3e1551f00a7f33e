// Pointwise regions: every element of the roots on its own.
//
// Elements are handled in groups of four, so that one invocation owns whole words of the outputs.
// It stores none before all are computed: an output may be an operand of another.
// On a GPU each invocation takes one group. On a CPU a workgroup is one subgroup that walks a
// contiguous chunk, lanes adjacent, which keeps the caches and the JIT happy.
#include <algorithm>

#include "kernels/common/divide_up.h"
#include "kernels/common/family.h"
#include "kernels/common/grid.h"
#include "kernels/common/region_cost.h"
#include "kernels/common/region_emitter.h"
#include "kernels/lowering.h"
#include "kernels/pointwise/transpose.h"

namespace nxv::kernels {
namespace {

using ir::Builder;
using ir::Value;

struct PointwiseLayout {
  uint32_t workgroup = 0;
  uint32_t chunk = 0;  // elements that a workgroup walks; 0: an invocation takes one group
};

struct PointwiseWords {
  uint32_t groups = 0, elements = 0;
  uint32_t chunk = 0;  // groups of a workgroup
};

ir::Kernel generate(const Region& region, const Target& target, const PointwiseLayout& layout) {
  const uint32_t workgroup = layout.workgroup;
  const bool chunked = layout.chunk > 0;
  Builder b("pointwise", workgroup);
  RegionEmitter emitter(b, region, target.math, kWordsOf<PointwiseWords>);
  const auto words = emitter.words_as<PointwiseWords>();
  std::vector<int> exprs;  // of the roots
  for (const Root& root : region.roots) exprs.push_back(root.expr);
  const plan::DevicePlan& plan = *target.plan;
  const uint32_t groups_of_invocation = chunked ? layout.chunk / kGroup / workgroup : 1;
  const bool in_turn =
      is_heavy(region, Level::row, plan) &&
      groups_of_invocation * (1 + iterations_in_turn(region)) <= plan.max_loop_iterations;

  const auto group_at = [&](Value group) {
    Points points;
    points.row_group = group;
    points.row_end = words[&PointwiseWords::elements];
    const Value first = group << 2, last = points.row_end - 1u;
    for (uint32_t i = 0; i < kGroup; ++i) {
      points.rows.push_back(i == 0 ? first : b.binary(ir::Opcode::min, first + i, last));
    }
    if (in_turn) {
      std::vector<GroupWriter> writers;
      for (const Root& root : region.roots) writers.emplace_back(b, root.node->dtype);
      emitter.evaluate_in_turn(exprs, Level::row, points, [&](Value lane) {
        for (size_t r = 0; r < exprs.size(); ++r) writers[r].set(lane, emitter.value(exprs[r], 0));
      });
      for (size_t r = 0; r < exprs.size(); ++r) writers[r].store(emitter.output(r), group);
    } else {
      for (int expr : exprs) emitter.evaluate(expr, points);
      for (size_t r = 0; r < exprs.size(); ++r) {
        Group result;
        for (int i = 0; i < kGroup; ++i) result[i] = emitter.value(exprs[r], i);
        store_group(emitter.output(r), group, result);
      }
    }
    emitter.forget_all();
  };

  const Value local = b.builtin(ir::Builtin::local_index);
  const Value groups = words[&PointwiseWords::groups];
  if (!chunked) {
    const Value group = linear_group(b) * workgroup + local;
    b.if_(group < groups, [&] { group_at(group); });
  } else {
    const Value chunk = words[&PointwiseWords::chunk];
    const Value begin = linear_group(b) * chunk;
    const Value end = b.binary(ir::Opcode::min, begin + chunk, groups);
    b.for_range(begin + local, end, b.u32(workgroup), group_at);
  }
  return b.finish();
}

constexpr Family<PointwiseLayout> kPointwise = {"pointwise", generate};

}  // namespace

Lowering lower_pointwise(const Region& region, const Target& target) {
  if (!tiles_obstacle(region, target)) return lower_tiles(region, target);
  const plan::DevicePlan& plan = *target.plan;
  const auto groups = divide_up(static_cast<uint64_t>(region.row_count), kGroup);
  PointwiseLayout layout;
  layout.workgroup = plan.tuning.workgroup;
  layout.chunk = plan.tuning.chunk_elements;
  const uint64_t chunk = layout.chunk > 0 ? layout.chunk / kGroup : layout.workgroup;

  PointwiseWords words;
  words.groups = static_cast<uint32_t>(groups);
  words.elements = static_cast<uint32_t>(region.row_count);
  words.chunk = static_cast<uint32_t>(chunk);
  Launch d = launch_of(kPointwise, region, target, layout, words);
  d.groups = fold_groups(divide_up(groups, chunk), plan);
  d.work = static_cast<uint64_t>(region.row_count) * region.exprs.size();
  Lowering lowering;
  lowering.in_place = true;
  lowering.add(std::move(d));
  return lowering;
}

}  // namespace nxv::kernels
