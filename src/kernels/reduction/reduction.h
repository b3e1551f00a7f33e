// Reductions and row programs.
//
// A unit of work is a row, or a block of 1 024 columns of a row when the rows alone would not fill
// the device: then stages of partial results follow each other until one block is left. A unit is
// folded by a team of lanes (team.h), which share the accumulators of a block, or by one invocation
// where rows are short, or where neighbouring rows rather than columns are adjacent in memory.
// There a column of invocations of a GPU shares a unit through shared memory: neighbouring
// invocations read neighbouring rows. On a GPU the teams of a workgroup share the blocks of a row
// where rows are few, and one workgroup gathers the last partial results of a row; where rows are
// so long that workgroups abound, each makes a whole accumulator of the second level. All variants
// follow the tree of fold.h.
#pragma once

#include "kernels/common/family.h"
#include "kernels/common/fold.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

// Blocks that a team folds: up to 128 reach the second level's accumulators in order.
inline constexpr uint32_t kMaxBlocksOfTeam = 128;
inline constexpr uint64_t kInvocationsOfCore = 2048;  // of a large GPU
// Of an accumulator of the second level.
inline constexpr uint32_t kBlocksOfAccumulator = kFoldBlock / kFoldAccumulators;
inline constexpr uint32_t kRowsOfChunk = 1024;  // short ones, that a workgroup of a CPU walks

// How one kernel of the family is laid out.
struct ReductionLayout {
  uint32_t lanes = 1;          // of a team, that share a unit
  uint32_t subgroup_size = 0;  // whose lanes they are; 0: they meet in shared memory
  uint32_t column = 1;         // invocations that share a unit of adjacent rows, with one lane
  uint32_t workgroup = 64;
  Choice<bool> from_partials = false;  // folds accumulators of an earlier stage
  Choice<bool> to_partials = false;    // units are blocks, results are accumulators
  // Units are accumulators of the second level, one a workgroup; the next stage combines them.
  Choice<bool> to_second_level = false, from_second_level = false;
  Choice<bool> aligned = false;    // rows start at multiples of four elements
  uint32_t rows_per_word = 1;      // of the output: an invocation owns whole words
  Choice<bool> unrolled = false;   // whole blocks without a loop: many loads under way at once
  Choice<bool> rolled = false;     // its loops stay loops: what they load would take registers
  Choice<bool> gathers = false;    // the teams of a workgroup share the blocks of a row
  Choice<bool> one_block = false;  // of each row
  uint32_t short_columns = 0;      // that a short row has at most; 0: rows may be longer
  Choice<bool> exact = false;      // short rows have all of these columns
  Choice<bool> chunked = false;    // a workgroup walks kRowsOfChunk units
  uint32_t rows = 1;               // short ones, that an invocation takes
  // Columns that a row has at most, whose elements a workgroup stores together: where each
  // invocation stored its own row, neighbours would write words that lie apart. 0: none.
  uint32_t staged_columns = 0;
  Choice<bool> in_turn = false;  // the elements of a group, by a loop

  bool unit_is_workgroup() const { return gathers || to_second_level; }
  bool shares_units() const { return lanes > 1 || column > 1; }
  // Whether invocations of several units go the same way: through barriers, or as one subgroup.
  bool meets() const {
    return column > 1 || staged_columns > 0 || (lanes > 1 && lanes != subgroup_size);
  }
};

struct ReductionWords {
  uint32_t units = 0, rows = 0, columns = 0;
  Divisor blocks;   // of a row; of a stage with partial results: its units
  Divisor by_rows;  // how many there are
};

ir::Kernel generate_reduction(const Region& region, const Target& target,
                              const ReductionLayout& layout);

// What a stage folds.
struct ReductionStage {
  uint64_t columns = 0;
  bool is_first = true;            // of elements; later ones fold the results of the stage before,
  bool from_second_level = false;  // which may be accumulators of the second level
};
ReductionLayout choose_reduction(const Region& region, const Target& target,
                                 const ReductionStage& stage);
// Of the region's first reduction, as it is stored.
uint32_t accumulator_bytes(const Region& region, const Target& target);

}  // namespace nxv::kernels
