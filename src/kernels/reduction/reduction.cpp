// How reductions are laid out for a device.
#include "kernels/reduction/reduction.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "kernels/common/divide_up.h"
#include "kernels/common/memory_format.h"
#include "kernels/common/region_emitter.h"
#include "kernels/reduction/row_program.h"
#include "kernels/reduction/sliding_windows.h"

namespace nxv::kernels {
namespace {

// A single invocation stays below the bound on loop iterations (288 a block).
constexpr uint32_t kMaxBlocksOfInvocation = 64;
// That make an accumulator of the second level.
constexpr uint32_t kSubgroupsOfAccumulator = 8;
// Workgroups that fill a GPU, each with an accumulator of the second level.
constexpr uint64_t kEnoughAccumulators = 1024;
// Of a workgroup that gathers a row: more would leave a lane too few registers for its 32 loads.
constexpr uint32_t kMaxGatheringSubgroups = 16;
// Of adjacent rows. A workgroup's team members are 32 rows wide: a subgroup reads whole sectors.
constexpr uint32_t kTeam = 8;
constexpr uint64_t kRowsOfTeams = 1 << 15;  // that fill a GPU without splitting them
constexpr uint32_t kShortRow = 64;          // columns up to which an invocation takes a row
constexpr int kMaxUnrolledCost = 64;        // of an element (kOps)
constexpr uint32_t kUnrolledRow = 16;       // columns up to which a row is folded without a loop
// Short rows that an invocation of a GPU takes, so that enough loads are under way; of so many
// columns together, and where there are so many rows that the device stays filled.
constexpr uint32_t kMaxRowsOfInvocation = 4;
constexpr uint32_t kMaxColumnsOfInvocation = 48;
constexpr uint64_t kManyRows = uint64_t{1} << 18;

// Whether neighbouring rows, not neighbouring columns, are adjacent in memory.
bool rows_are_adjacent(const Region& region) {
  bool any = false;
  for (const Operand& o : region.operands) {
    if (o.level != Level::element) continue;
    if (o.addressing != Addressing::strided || o.unit_columns) return false;
    any = true;
  }
  return any;
}

int parts_of_reduction(const Region& region, const Target& target) {
  for (const Expr& e : region.exprs) {
    if (e.kind == ExprKind::reduce) {
      return Fold::part_count(e.op, region.exprs[e.args[0]].dtype, e.dtype, target.math);
    }
  }
  throw Error(Status::internal, "a reduction region without a reduction");
}

// To one of a few numbers that are whole groups.
uint64_t round_up(uint64_t columns) { return std::max<uint64_t>(kGroup, std::bit_ceil(columns)); }

// Loop iterations of an invocation that computes elements in turn, at most.
uint64_t iterations_of_row(const Region& region, const ReductionLayout& layout, uint64_t columns) {
  uint64_t passes = region.root_level == Level::element ? 1 : 0;
  for (const Expr& e : region.exprs) passes += e.kind == ExprKind::reduce;
  const uint64_t of_group = 1 + iterations_in_turn(region);
  const uint64_t accumulators = kFoldAccumulators / layout.lanes;
  const uint64_t of_block = 1 + accumulators * (1 + kFoldBlock / kFoldStride * of_group);
  const uint64_t blocks = layout.to_partials ? 1 : divide_up(columns, kFoldBlock);
  return layout.rows_per_word * (1 + passes * blocks * of_block);
}

}  // namespace

Lowering lower_reduction(const Region& region, const Target& target) {
  if (!region.fixed_columns && fits_registers(region, target))
    return lower_rows_in_registers(region, target);
  if (slides(region, target)) return lower_sliding_windows(region, target);
  const plan::DevicePlan& plan = *target.plan;
  const auto rows = static_cast<uint64_t>(region.row_count);
  const bool subgroups = plan.has.subgroup_shuffle && plan.fixed_subgroup_size &&
                         plan.subgroup_size >= 4 && plan.subgroup_size <= kFoldAccumulators;
  // Work items that keep every core busy.
  const uint64_t enough = plan.profile == plan::Profile::cpu ? 8 : 2048;

  const uint32_t per_word =
      region.root_level == Level::element ? 1 : elements_per_word(region.root->dtype);

  ReductionLayout layout;
  int source = -1;  // workspace with the results of the stage before
  const auto choose_lanes = [&](uint64_t columns, bool adjacent_rows) {
    // A long row in one invocation would run too many iterations.
    const bool short_enough = region.kind == RegionKind::reduction || columns <= kFoldBlock;
    layout.lanes =
        subgroups && columns > (source < 0 ? kShortRow : kGroup) && !(adjacent_rows && short_enough)
            ? plan.subgroup_size
            : 1;
    const bool cpu = plan.profile == plan::Profile::cpu;
    const bool has_teams = !cpu && layout.lanes == 1 && adjacent_rows && columns > kShortRow &&
                           per_word == 1 && region.kind == RegionKind::reduction &&
                           plan.max_workgroup_invocations >= 256;
    layout.team = has_teams ? kTeam : 1;
    layout.workgroup =
        cpu ? std::max(plan.subgroup_size, 1u)
            : std::min(layout.shares_units() ? 256u : 64u, plan.max_workgroup_invocations);
  };

  const auto max_blocks = [&]() -> uint64_t {
    return layout.lanes > 1 ? kMaxBlocksOfSubgroup : kMaxBlocksOfInvocation / per_word;
  };

  const auto gathering_workgroup = [&](uint64_t columns) {
    const uint32_t limit =
        std::min(plan.max_workgroup_invocations / layout.lanes, kMaxGatheringSubgroups);
    return layout.lanes *
           std::min(std::bit_ceil(static_cast<uint32_t>(divide_up(columns, kFoldBlock))), limit);
  };
  const auto can_gather = [&](uint64_t columns) {
    const auto bytes =
        static_cast<uint32_t>(kMaxBlocksOfSubgroup * 8 * parts_of_reduction(region, target));
    return plan.profile != plan::Profile::cpu && layout.lanes == kFoldAccumulators &&
           columns <= kFoldBlock * kMaxBlocksOfSubgroup && bytes <= plan.shared_memory_bytes;
  };

  const auto rows_of_invocation = [&]() -> uint32_t {
    if (layout.short_columns == 0 || layout.chunked || layout.rows_per_word > 1 ||
        region.root_level == Level::element || rows < kManyRows) {
      return 1;
    }
    const uint32_t most = kMaxColumnsOfInvocation / layout.short_columns;
    return std::clamp(std::bit_floor(most), 1u, kMaxRowsOfInvocation);
  };

  Lowering lowering;
  auto columns = static_cast<uint64_t>(region.col_count);
  const auto add = [&](bool to_partials) {
    const uint64_t blocks = divide_up(columns, kFoldBlock);
    const auto units_of_rows = static_cast<uint32_t>(divide_up(rows, layout.rows_per_word));
    const uint64_t parts_of_row =
        layout.to_second_level ? divide_up(blocks, kFoldBlock) * kFoldAccumulators : blocks;
    const uint64_t units = to_partials ? rows * parts_of_row : units_of_rows;
    Dispatch d;
    d.key = layout.key() + region.key;
    d.generate = [target, layout](const Region& r) {
      return generate_reduction(r, target, layout);
    };
    const uint32_t units_of_workgroup =
        layout.unit_is_workgroup() ? 1
        : layout.chunked           ? kRowsOfChunk
                                   : layout.workgroup / layout.lanes / layout.team * layout.rows;
    d.groups = fold_groups(divide_up(units, units_of_workgroup), plan);
    const auto by_blocks = divisor_words(parts_of_row), by_rows = divisor_words(rows);
    d.extra_words = {static_cast<uint32_t>(units),
                     static_cast<uint32_t>(rows),
                     static_cast<uint32_t>(columns),
                     by_blocks[0],
                     by_blocks[1],
                     by_blocks[2],
                     by_rows[0],
                     by_rows[1],
                     by_rows[2]};
    d.reads_operands = !layout.from_partials || !to_partials;
    d.writes_output = !to_partials;
    d.work = rows * columns * std::max<uint64_t>(1, layout.from_partials ? 1 : region.exprs.size());
    if (source >= 0) {
      d.workspaces.push_back(source);
      d.reads = {source};
    }
    if (to_partials) {
      const uint64_t partials = divide_up(units, kGroup) * kGroup;  // whole groups
      lowering.workspaces.push_back(partials * 8 * parts_of_reduction(region, target));
      d.writes = {static_cast<int>(lowering.workspaces.size()) - 1};
      d.workspaces.push_back(d.writes[0]);
      source = d.writes[0];
    }
    lowering.dispatches.push_back(std::move(d));
    return blocks;
  };

  bool adjacent_rows = rows_are_adjacent(region);
  while (true) {
    choose_lanes(columns, adjacent_rows);
    layout.from_partials = source >= 0;
    layout.aligned = columns % kGroup == 0 || (layout.from_partials && rows == 1);
    const bool many_blocks =
        region.kind == RegionKind::reduction && columns > kFoldBlock &&
        (columns > kFoldBlock * max_blocks() || rows < (layout.team > 1 ? kRowsOfTeams : enough));
    layout.gathers = many_blocks && layout.from_partials && can_gather(columns);
    if (layout.gathers) layout.workgroup = gathering_workgroup(columns);
    const bool split = many_blocks && !layout.gathers;
    layout.to_partials = split;
    layout.from_second_level = layout.to_second_level;
    layout.to_second_level =
        split && !layout.from_partials && plan.profile != plan::Profile::cpu && layout.lanes > 1 &&
        columns >= kFoldBlock * kFoldBlock &&
        rows * divide_up(columns, kFoldBlock * kFoldBlock) * kFoldAccumulators >=
            kEnoughAccumulators;
    if (layout.to_second_level) {
      layout.workgroup = std::min(layout.lanes * kSubgroupsOfAccumulator, layout.workgroup);
    }
    layout.rows_per_word = split ? 1 : per_word;
    layout.one_block = columns <= kFoldBlock;
    const bool is_short = layout.lanes == 1 && !layout.from_partials &&
                          (region.fixed_columns || columns <= kUnrolledRow) &&
                          cost_of(region, Level::element) <= kMaxUnrolledCost;
    layout.exact = is_short && region.fixed_columns;
    layout.short_columns =
        !is_short ? 0 : static_cast<uint32_t>(layout.exact ? columns : round_up(columns));
    layout.chunked = is_short && plan.profile == plan::Profile::cpu;
    layout.rows = rows_of_invocation();
    layout.unrolled = plan.profile != plan::Profile::cpu && layout.lanes == kFoldAccumulators &&
                      !layout.from_partials && unrolls(region, kMaxUnrolledCost);
    layout.in_turn = !is_short && !layout.from_partials && is_heavy(region, Level::element, plan) &&
                     iterations_of_row(region, layout, columns) <= plan.max_loop_iterations;
    columns = add(split);
    if (!split) break;
    adjacent_rows = false;
  }
  return lowering;
}

}  // namespace nxv::kernels
