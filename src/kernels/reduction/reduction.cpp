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

// Columns of a launch: all, or as many as indices reach, in whole accumulators.
uint64_t columns_of_launch(const ReductionLayout& layout, const ReductionStage& stage,
                           const plan::DevicePlan& plan) {
  if (!stage.is_first || stage.columns < plan.max_elements) return stage.columns;
  const uint64_t unit = layout.to_second_level ? uint64_t{kFoldBlock} * kFoldBlock : kFoldBlock;
  return (plan.max_elements - 1) / unit * unit;
}

// Of each operand, before the columns of a launch.
std::vector<uint64_t> bytes_before(const Region& region, uint64_t column) {
  std::vector<uint64_t> bytes;
  for (const Operand& o : region.operands) {
    const bool moves = o.level == Level::element && o.addressing == Addressing::linear;
    bytes.push_back(moves ? column * static_cast<uint64_t>(storage_bytes(o.node->dtype)) : 0);
  }
  return bytes;
}

// Stages of partial results, until one is left that writes the output.
Lowering lower_stages(const Region& region, const Target& target) {
  const auto rows = static_cast<uint64_t>(region.row_count);
  Lowering lowering;
  ReductionStage stage{.columns = static_cast<uint64_t>(region.col_count)};
  int partials = -1;  // workspace with the results of the stage before
  while (true) {
    const ReductionLayout layout = choose_reduction(region, target, stage);
    const auto blocks_of = [](uint64_t columns) { return divide_up(columns, kFoldBlock); };
    const auto units_of = [&](uint64_t columns) {
      const uint64_t blocks = blocks_of(columns);
      return layout.to_second_level ? divide_up(blocks, kFoldBlock) * kFoldAccumulators : blocks;
    };
    const int before = partials;
    if (layout.to_partials) {
      // In whole groups.
      const uint64_t accumulators = divide_up(rows * units_of(stage.columns), kGroup) * kGroup;
      partials = lowering.add_workspace(accumulators * accumulator_bytes(region, target));
    }
    const uint64_t most = columns_of_launch(layout, stage, *target.plan);
    uint64_t written = 0;  // units of the launches before
    for (uint64_t first = 0; first < stage.columns; first += most) {
      const uint64_t columns = std::min(most, stage.columns - first);
      const uint64_t parts_of_row = units_of(columns);
      const uint64_t units =
          layout.to_partials ? rows * parts_of_row : divide_up(rows, layout.rows_per_word);
      ReductionWords words;
      words.units = static_cast<uint32_t>(units);
      words.rows = static_cast<uint32_t>(rows);
      words.columns = static_cast<uint32_t>(columns);
      words.blocks = Divisor(parts_of_row);
      words.by_rows = Divisor(rows);
      Launch& d = lowering.add(launch_of(kReduction, region, target, layout, words));
      d.groups = fold_groups(divide_up(units, units_of_workgroup(layout)), *target.plan);
      d.work = rows * columns * (stage.is_first ? std::max<size_t>(1, region.exprs.size()) : 1);
      d.reads_operands = stage.is_first || !layout.to_partials;
      d.writes_output = !layout.to_partials;
      if (!stage.is_first) d.workspaces.push_back(reads(before));
      if (layout.to_partials) d.workspaces.push_back(writes(partials));
      if (first > 0) {
        d.operand_offsets = bytes_before(region, first);
        d.workspace_offsets = {written * accumulator_bytes(region, target)};
      }
      written += units;
    }
    if (!layout.to_partials) return lowering;
    stage = {blocks_of(stage.columns), false, layout.to_second_level};
  }
}

}  // namespace

Lowering lower_reduction(const Region& region, const Target& target) {
  if (!registers_obstacle(region, target)) return lower_rows_in_registers(region, target);
  if (!sliding_obstacle(region, target)) return lower_sliding_windows(region, target);
  return lower_stages(region, target);
}

}  // namespace nxv::kernels
