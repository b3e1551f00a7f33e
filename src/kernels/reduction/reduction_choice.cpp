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
constexpr uint32_t kTeamsOfAccumulator = 8;
// Of a workgroup that gathers partial results: more would leave a lane too few registers for its 32
// loads.
constexpr uint32_t kMaxGatheringTeams = 16;
// Invocations to a unit of adjacent rows. A workgroup's columns are 32 rows wide: a subgroup reads
// whole sectors.
constexpr uint32_t kColumn = 8, kColumnWorkgroup = 256;
// Where units are few an invocation has one accumulator, and loads all of its elements at once.
constexpr uint32_t kLongColumn = kFoldAccumulators, kLongColumnWorkgroup = 1024;
constexpr uint32_t kShortRow = 64;     // columns up to which an invocation takes a row,
constexpr uint32_t kShortestRow = 16;  // of a GPU where rows are fewer than would fill it
constexpr int kMaxUnrolledCost = 64;   // of an element (kOps)
constexpr uint32_t kUnrolledRow = 16;  // columns up to which a row is folded without a loop
// Short rows that an invocation of a GPU takes, so that enough loads are under way; of so many
// columns together, and where there are so many rows that the device stays filled.
constexpr uint32_t kMaxRowsOfInvocation = 4;
constexpr uint32_t kMaxColumnsOfInvocation = 48;

uint32_t bytes_of_fold(const Region& region, const Expr& e, const Target& target) {
  const DType input = region.exprs[e.args[0]].dtype;
  return static_cast<uint32_t>(8 * Fold::part_count(e.op, input, e.dtype, target.math));
}

// Of all reductions of the region.
uint64_t all_accumulator_bytes(const Region& region, const Target& target) {
  uint64_t bytes = 0;
  for (const Expr& e : region.exprs) {
    if (e.kind == ExprKind::reduce) bytes += bytes_of_fold(region, e, target);
  }
  return bytes;
}

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
  uint64_t passes = has_roots_of(region, Level::element) ? 1 : 0;
  for (const Expr& e : region.exprs) passes += e.kind == ExprKind::reduce;
  const uint64_t of_group = 1 + iterations_in_turn(region);
  const uint64_t accumulators = kFoldAccumulators / layout.lanes;
  const uint64_t of_block = 1 + accumulators * (1 + kFoldBlock / kFoldStride * of_group);
  const uint64_t blocks = layout.to_partials ? 1 : divide_up(columns, kFoldBlock);
  return layout.rows_per_word * (1 + passes * blocks * of_block);
}

// Rows whose results share a word of an output.
uint32_t rows_per_word(const Region& region) {
  int rows = 1;
  each_root_of(region, Level::row, [&](size_t r, int) {
    rows = std::max(rows, elements_per_word(region.roots[r].node->dtype));
  });
  return static_cast<uint32_t>(rows);
}

class StageChoice {
 public:
  StageChoice(const Region& region, const Target& target, const ReductionStage& stage)
      : region_(region),
        target_(target),
        plan_(*target.plan),
        tuning_(plan_.tuning),
        stage_(stage),
        rows_(static_cast<uint64_t>(region.row_count)),
        per_word_(rows_per_word(region)) {}

  ReductionLayout choose() {
    const uint64_t columns = stage_.columns;
    choose_lanes(stage_.is_first && rows_are_adjacent(region_));
    layout_.from_partials = !stage_.is_first;
    layout_.from_second_level = stage_.from_second_level;
    // Whole words of narrow elements are stored where rows are known to consist of them.
    const bool is_any_length = are_few() && !has_roots_of(region_, Level::element);
    layout_.aligned =
        !is_any_length && (columns % kGroup == 0 || (layout_.from_partials && rows_ == 1));
    const bool many_blocks = wants_many_blocks() || shares_columns_of_words();
    layout_.gathers = stage_.is_first ? shares_rows() : many_blocks && can_gather();
    if (layout_.gathers) layout_.workgroup = gathering_workgroup();
    layout_.to_partials = many_blocks && !layout_.gathers;
    layout_.to_second_level = layout_.to_partials && reaches_second_level();
    if (layout_.to_second_level) {
      layout_.workgroup = std::min(layout_.lanes * kTeamsOfAccumulator, layout_.workgroup);
    }
    layout_.rows_per_word = layout_.to_partials ? 1 : per_word_;
    layout_.one_block = columns <= kFoldBlock;
    const bool is_short = layout_.lanes == 1 && !layout_.from_partials &&
                          (region_.fixed_columns || columns <= kUnrolledRow) &&
                          cost_of(region_, Level::element) <= kMaxUnrolledCost;
    layout_.exact = is_short && region_.fixed_columns;
    layout_.short_columns =
        !is_short ? 0 : static_cast<uint32_t>(layout_.exact ? columns : round_up(columns));
    layout_.chunked = is_short && tuning_.chunk_elements > 0;
    layout_.rows = rows_of_invocation();
    layout_.staged_columns = staged_columns();
    layout_.unrolled = tuning_.holds_rows &&
                       std::max(layout_.lanes, layout_.column) == kFoldAccumulators &&
                       !layout_.from_partials && unrolls(region_, kMaxUnrolledCost);
    layout_.rolled =
        tuning_.has_few_registers() &&
        (layout_.from_partials || all_accumulator_bytes(region_, target_) > sizeof(uint32_t));
    layout_.in_turn = !is_short && !layout_.from_partials &&
                      is_heavy(region_, Level::element, plan_) &&
                      iterations_of_row(region_, layout_, columns) <= plan_.max_loop_iterations;
    return layout_;
  }

 private:
  // Elements whose fold takes less time than a kernel of their own: they have one layout, whatever
  // the length of their rows.
  bool are_few() const {
    return stage_.is_first && !region_.fixed_columns &&
           rows_ * stage_.columns <= static_cast<uint64_t>(tuning_.apart_elements);
  }

  void choose_lanes(bool adjacent_rows) {
    const uint64_t columns = stage_.columns;
    // A long row in one invocation would run too many iterations.
    const bool short_enough = region_.kind == RegionKind::reduction || columns <= kFoldBlock;
    const bool would_idle =
        tuning_.shares_cheaply && rows_ < kInvocationsOfCore * tuning_.cores / 2;
    const uint32_t most = would_idle ? kShortestRow : kShortRow;
    const bool is_long = columns > (stage_.is_first ? most : kGroup);
    if (are_few() || (is_long && !(adjacent_rows && short_enough))) {
      layout_.lanes = lanes_of_team();
    }
    if (layout_.lanes > 1) layout_.subgroup_size = plan_.row_subgroup_size;
    const bool has_columns =
        tuning_.shares_cheaply && layout_.lanes == 1 && adjacent_rows && columns > kShortRow &&
        (per_word_ == 1 || rows_ < tuning_.busy_lines) && region_.kind == RegionKind::reduction &&
        tuning_.fold_workgroup >= kColumnWorkgroup;
    layout_.column = !has_columns ? 1 : wants_long_columns() ? kLongColumn : kColumn;
    layout_.workgroup = layout_.column == kLongColumn ? kLongColumnWorkgroup
                        : layout_.shares_units()      ? fold_workgroup()
                                                      : tuning_.lone_workgroup;
  }

  // Whether all blocks, of adjacent rows, would not fill the device with shorter columns.
  bool wants_long_columns() const {
    const uint64_t units = rows_ * divide_up(stage_.columns, kFoldBlock);
    return units * kColumn < kInvocationsOfCore * tuning_.cores &&
           kLongColumnWorkgroup <= plan_.max_row_workgroup &&
           kLongColumnWorkgroup * all_accumulator_bytes(region_, target_) <=
               plan_.shared_memory_bytes;
  }

  // Those of a subgroup, or, where barriers cost little, of a workgroup.
  uint32_t lanes_of_team() const {
    if (plan_.row_subgroup_size > 0) return std::min(plan_.row_subgroup_size, kFoldAccumulators);
    const bool meet = tuning_.shares_cheaply && tuning_.fold_workgroup >= kFoldAccumulators &&
                      meeting_bytes() <= plan_.shared_memory_bytes;
    return meet ? kFoldAccumulators : 1;
  }

  uint32_t fold_workgroup() const {
    return std::min(tuning_.fold_workgroup, plan_.max_row_workgroup);
  }

  // Whether the blocks of a row are better left to several units.
  bool wants_many_blocks() const {
    const uint64_t columns = stage_.columns;
    if (region_.kind != RegionKind::reduction || columns <= kFoldBlock) return false;
    const uint64_t most = layout_.lanes > 1 ? kMaxBlocksOfTeam : kMaxBlocksOfInvocation / per_word_;
    return columns > kFoldBlock * most ||
           rows_ < (layout_.column > 1 ? tuning_.busy_lines : tuning_.busy_subgroups);
  }

  // The invocations of a column have a row each: those of results that share a word meet in the
  // stage after.
  bool shares_columns_of_words() const { return layout_.column > 1 && per_word_ > 1; }

  // Whether a workgroup may share the blocks of a row.
  bool can_share() const {
    const uint64_t bytes = kMaxBlocksOfTeam * all_accumulator_bytes(region_, target_) +
                           (layout_.subgroup_size > 0 ? 0 : meeting_bytes());
    return tuning_.shares_cheaply && stage_.columns <= kFoldBlock * kMaxBlocksOfTeam &&
           bytes <= plan_.shared_memory_bytes;
  }

  bool can_gather() const { return layout_.lanes == kFoldAccumulators && can_share(); }

  // A row program cannot be split; a team a row would leave a GPU idle.
  bool shares_rows() const {
    return region_.kind == RegionKind::row_program && layout_.lanes > 1 &&
           stage_.columns > kFoldBlock && rows_ < tuning_.busy_subgroups && can_share();
  }

  // Where lanes meet in shared memory.
  uint64_t meeting_bytes() const {
    return uint64_t{tuning_.fold_workgroup} * all_accumulator_bytes(region_, target_);
  }

  uint32_t gathering_workgroup() const {
    const uint32_t limit =
        stage_.is_first ? fold_workgroup() / layout_.lanes
                        : std::min(plan_.max_row_workgroup / layout_.lanes, kMaxGatheringTeams);
    const auto blocks = static_cast<uint32_t>(divide_up(stage_.columns, kFoldBlock));
    const uint32_t teams = std::min(std::bit_ceil(blocks), limit);
    return std::max(layout_.lanes * teams, layout_.subgroup_size);
  }

  bool reaches_second_level() const {
    constexpr uint64_t kSecondLevel = kFoldBlock * kFoldBlock;
    return stage_.is_first && tuning_.shares_cheaply && layout_.lanes > 1 &&
           stage_.columns >= kSecondLevel &&
           rows_ * divide_up(stage_.columns, kSecondLevel) * kFoldAccumulators >=
               tuning_.busy_workgroups;
  }

  // Of rows that are no whole groups of words.
  uint32_t staged_columns() const {
    constexpr uint64_t kMost = 32;
    const uint64_t columns = stage_.columns;
    if (!tuning_.shares_cheaply || layout_.lanes > 1 || layout_.aligned || layout_.chunked ||
        layout_.rows_per_word > 1 || layout_.to_partials || layout_.from_partials ||
        columns > kMost) {
      return 0;
    }
    uint64_t roots = 0;
    bool are_words = true;
    each_root_of(region_, Level::element, [&](size_t r, int) {
      const DType type = region_.roots[r].node->dtype;
      ++roots;
      are_words = are_words && storage_bytes(type) == 4 && !is_complex(type);
    });
    const uint64_t bytes = 4 * roots * layout_.workgroup * round_up(columns);
    const bool fits = bytes <= plan_.shared_memory_bytes;
    return roots > 0 && are_words && fits ? static_cast<uint32_t>(round_up(columns)) : 0;
  }

  uint32_t rows_of_invocation() const {
    if (layout_.short_columns == 0 || layout_.chunked || layout_.rows_per_word > 1 ||
        region_.root_level == Level::element || rows_ < tuning_.busy_rows) {
      return 1;
    }
    const uint32_t most = kMaxColumnsOfInvocation / layout_.short_columns;
    return std::clamp(std::bit_floor(most), 1u, kMaxRowsOfInvocation);
  }

  const Region& region_;
  const Target& target_;
  const plan::DevicePlan& plan_;
  const plan::Tuning& tuning_;
  const ReductionStage stage_;
  const uint64_t rows_;
  const uint32_t per_word_;
  ReductionLayout layout_;
};

}  // namespace

uint32_t accumulator_bytes(const Region& region, const Target& target) {
  for (const Expr& e : region.exprs) {
    if (e.kind == ExprKind::reduce) return bytes_of_fold(region, e, target);
  }
  throw Error(Status::internal, "a reduction region without a reduction");
}

ReductionLayout choose_reduction(const Region& region, const Target& target,
                                 const ReductionStage& stage) {
  return StageChoice(region, target, stage).choose();
}

}  // namespace nxv::kernels
