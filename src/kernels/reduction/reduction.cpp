// From reductions and row programs to dispatches.
#include "kernels/reduction/reduction.h"

#include <algorithm>

#include "kernels/common/divide_up.h"
#include "kernels/common/memory_format.h"
#include "kernels/reduction/row_program.h"
#include "kernels/reduction/sliding_windows.h"

namespace nxv::kernels {
namespace {

constexpr Family<ReductionLayout> kReduction = {"reduction", generate_reduction};

uint32_t units_of_workgroup(const ReductionLayout& layout) {
  if (layout.unit_is_workgroup()) return 1;
  if (layout.chunked) return kRowsOfChunk;
  return layout.workgroup / layout.lanes / layout.column * layout.rows;
}

// Stages of partial results, until one is left that writes the output.
Lowering lower_stages(const Region& region, const Target& target) {
  const auto rows = static_cast<uint64_t>(region.row_count);
  Lowering lowering;
  ReductionStage stage{.columns = static_cast<uint64_t>(region.col_count)};
  int partials = -1;  // workspace with the results of the stage before
  while (true) {
    const ReductionLayout layout = choose_reduction(region, target, stage);
    const uint64_t blocks = divide_up(stage.columns, kFoldBlock);
    const uint64_t parts_of_row =
        layout.to_second_level ? divide_up(blocks, kFoldBlock) * kFoldAccumulators : blocks;
    const uint64_t units =
        layout.to_partials ? rows * parts_of_row : divide_up(rows, layout.rows_per_word);
    ReductionWords words;
    words.units = static_cast<uint32_t>(units);
    words.rows = static_cast<uint32_t>(rows);
    words.columns = static_cast<uint32_t>(stage.columns);
    words.blocks = Divisor(parts_of_row);
    words.by_rows = Divisor(rows);
    Launch& d = lowering.add(launch_of(kReduction, region, target, layout, words));
    d.groups = fold_groups(divide_up(units, units_of_workgroup(layout)), *target.plan);
    d.work = rows * stage.columns * (stage.is_first ? std::max<size_t>(1, region.exprs.size()) : 1);
    d.reads_operands = stage.is_first || !layout.to_partials;
    d.writes_output = !layout.to_partials;
    if (!stage.is_first) d.workspaces.push_back(reads(partials));
    if (!layout.to_partials) return lowering;
    // In whole groups.
    const uint64_t accumulators = divide_up(units, kGroup) * kGroup;
    partials = lowering.add_workspace(accumulators * accumulator_bytes(region, target));
    d.workspaces.push_back(writes(partials));
    stage = {blocks, false, layout.to_second_level};
  }
}

}  // namespace

Lowering lower_reduction(const Region& region, const Target& target) {
  if (!registers_obstacle(region, target)) return lower_rows_in_registers(region, target);
  if (!sliding_obstacle(region, target)) return lower_sliding_windows(region, target);
  return lower_stages(region, target);
}

}  // namespace nxv::kernels
