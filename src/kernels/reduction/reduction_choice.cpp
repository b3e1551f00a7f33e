// How a stage of a reduction is laid out for a device.
#include <algorithm>
#include <bit>

#include "base/error.h"
#include "kernels/common/divide_up.h"
#include "kernels/common/memory_format.h"
#include "kernels/common/region_cost.h"
#include "kernels/reduction/reduction.h"
#include "kernels/reduction/row_program.h"

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
// Rows that keep every core busy, and a GPU.
constexpr uint64_t kBusyCores = 8, kBusyGpu = 2048;

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

class StageChoice {
 public:
  StageChoice(const Region& region, const Target& target, const ReductionStage& stage)
      : region_(region),
        target_(target),
        plan_(*target.plan),
        stage_(stage),
        rows_(static_cast<uint64_t>(region.row_count)),
        per_word_(region.root_level == Level::element ? 1 : elements_per_word(region.root->dtype)) {
  }

  ReductionLayout choose() {
    const uint64_t columns = stage_.columns;
    choose_lanes(stage_.is_first && rows_are_adjacent(region_));
    layout_.from_partials = !stage_.is_first;
    layout_.from_second_level = stage_.from_second_level;
    layout_.aligned = columns % kGroup == 0 || (layout_.from_partials && rows_ == 1);
    const bool many_blocks = wants_many_blocks();
    layout_.gathers = many_blocks && layout_.from_partials && can_gather();
    if (layout_.gathers) layout_.workgroup = gathering_workgroup();
    layout_.to_partials = many_blocks && !layout_.gathers;
    layout_.to_second_level = layout_.to_partials && reaches_second_level();
    if (layout_.to_second_level) {
      layout_.workgroup = std::min(layout_.lanes * kSubgroupsOfAccumulator, layout_.workgroup);
    }
    layout_.rows_per_word = layout_.to_partials ? 1 : per_word_;
    layout_.one_block = columns <= kFoldBlock;
    const bool is_short = layout_.lanes == 1 && !layout_.from_partials &&
                          (region_.fixed_columns || columns <= kUnrolledRow) &&
                          cost_of(region_, Level::element) <= kMaxUnrolledCost;
    layout_.exact = is_short && region_.fixed_columns;
    layout_.short_columns =
        !is_short ? 0 : static_cast<uint32_t>(layout_.exact ? columns : round_up(columns));
    layout_.chunked = is_short && is_cpu();
    layout_.rows = rows_of_invocation();
    layout_.unrolled = !is_cpu() && layout_.lanes == kFoldAccumulators && !layout_.from_partials &&
                       unrolls(region_, kMaxUnrolledCost);
    layout_.in_turn = !is_short && !layout_.from_partials &&
                      is_heavy(region_, Level::element, plan_) &&
                      iterations_of_row(region_, layout_, columns) <= plan_.max_loop_iterations;
    return layout_;
  }

 private:
  bool is_cpu() const { return plan_.profile == plan::Profile::cpu; }

  void choose_lanes(bool adjacent_rows) {
    const uint64_t columns = stage_.columns;
    const bool subgroups = plan_.has.subgroup_shuffle && plan_.fixed_subgroup_size &&
                           plan_.subgroup_size >= 4 && plan_.subgroup_size <= kFoldAccumulators;
    // A long row in one invocation would run too many iterations.
    const bool short_enough = region_.kind == RegionKind::reduction || columns <= kFoldBlock;
    layout_.lanes = subgroups && columns > (stage_.is_first ? kShortRow : kGroup) &&
                            !(adjacent_rows && short_enough)
                        ? plan_.subgroup_size
                        : 1;
    const bool has_teams =
        !is_cpu() && layout_.lanes == 1 && adjacent_rows && columns > kShortRow && per_word_ == 1 &&
        region_.kind == RegionKind::reduction && plan_.max_workgroup_invocations >= 256;
    layout_.team = has_teams ? kTeam : 1;
    layout_.workgroup =
        is_cpu() ? std::max(plan_.subgroup_size, 1u)
                 : std::min(layout_.shares_units() ? 256u : 64u, plan_.max_workgroup_invocations);
  }

  // Whether the blocks of a row are better left to several units.
  bool wants_many_blocks() const {
    const uint64_t columns = stage_.columns;
    if (region_.kind != RegionKind::reduction || columns <= kFoldBlock) return false;
    const uint64_t most =
        layout_.lanes > 1 ? kMaxBlocksOfSubgroup : kMaxBlocksOfInvocation / per_word_;
    const uint64_t enough = is_cpu() ? kBusyCores : kBusyGpu;
    return columns > kFoldBlock * most || rows_ < (layout_.team > 1 ? kRowsOfTeams : enough);
  }

  bool can_gather() const {
    const uint32_t bytes = kMaxBlocksOfSubgroup * accumulator_bytes(region_, target_);
    return !is_cpu() && layout_.lanes == kFoldAccumulators &&
           stage_.columns <= kFoldBlock * kMaxBlocksOfSubgroup &&
           bytes <= plan_.shared_memory_bytes;
  }

  uint32_t gathering_workgroup() const {
    const uint32_t limit =
        std::min(plan_.max_workgroup_invocations / layout_.lanes, kMaxGatheringSubgroups);
    const auto blocks = static_cast<uint32_t>(divide_up(stage_.columns, kFoldBlock));
    return layout_.lanes * std::min(std::bit_ceil(blocks), limit);
  }

  bool reaches_second_level() const {
    constexpr uint64_t kSecondLevel = kFoldBlock * kFoldBlock;
    return stage_.is_first && !is_cpu() && layout_.lanes > 1 && stage_.columns >= kSecondLevel &&
           rows_ * divide_up(stage_.columns, kSecondLevel) * kFoldAccumulators >=
               kEnoughAccumulators;
  }

  uint32_t rows_of_invocation() const {
    if (layout_.short_columns == 0 || layout_.chunked || layout_.rows_per_word > 1 ||
        region_.root_level == Level::element || rows_ < kManyRows) {
      return 1;
    }
    const uint32_t most = kMaxColumnsOfInvocation / layout_.short_columns;
    return std::clamp(std::bit_floor(most), 1u, kMaxRowsOfInvocation);
  }

  const Region& region_;
  const Target& target_;
  const plan::DevicePlan& plan_;
  const ReductionStage stage_;
  const uint64_t rows_;
  const uint32_t per_word_;
  ReductionLayout layout_;
};

}  // namespace

uint32_t accumulator_bytes(const Region& region, const Target& target) {
  for (const Expr& e : region.exprs) {
    if (e.kind == ExprKind::reduce) {
      const DType input = region.exprs[e.args[0]].dtype;
      return static_cast<uint32_t>(8 * Fold::part_count(e.op, input, e.dtype, target.math));
    }
  }
  throw Error(Status::internal, "a reduction region without a reduction");
}

ReductionLayout choose_reduction(const Region& region, const Target& target,
                                 const ReductionStage& stage) {
  return StageChoice(region, target, stage).choose();
}

}  // namespace nxv::kernels
