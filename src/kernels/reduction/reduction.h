// Reductions and row programs.
//
// A unit of work is a row, or a block of 1 024 columns of a row when the rows alone would not fill
// the device: then stages of partial results follow each other until one block is left. A unit is
// folded by one subgroup, whose lanes share the accumulators of a block, or by one invocation where
// rows are short, where neighbouring rows rather than columns are adjacent in memory, or where the
// device has no usable subgroups. On a GPU a team of invocations shares a unit through shared
// memory where rows are adjacent: neighbouring invocations read neighbouring rows. There, too, one
// workgroup gathers the last partial results of a row, and where rows are so long that workgroups
// abound, each makes a whole accumulator of the second level. All variants follow the tree of
// fold.h.
#pragma once

#include <string>

#include "kernels/common/fold.h"
#include "kernels/lowering.h"

namespace nxv::kernels {

// Blocks that a subgroup folds: up to 128 reach the second level's accumulators in order.
inline constexpr uint32_t kMaxBlocksOfSubgroup = 128;
// Of an accumulator of the second level.
inline constexpr uint32_t kBlocksOfAccumulator = kFoldBlock / kFoldAccumulators;
inline constexpr uint32_t kRowsOfChunk = 1024;  // short ones, that a workgroup of a CPU walks

// How one kernel of the family is laid out; part of its key.
struct ReductionLayout {
  uint32_t lanes = 1;  // of a subgroup, that share a unit
  uint32_t team = 1;   // invocations that share a unit through shared memory, with one lane
  uint32_t workgroup = 64;
  bool from_partials = false;  // folds accumulators of an earlier stage
  bool to_partials = false;    // units are blocks, results are accumulators
  // Units are accumulators of the second level, one a workgroup; the next stage combines them.
  bool to_second_level = false, from_second_level = false;
  bool aligned = false;        // rows start at multiples of four elements
  uint32_t rows_per_word = 1;  // of the output: an invocation owns whole words
  bool unrolled = false;       // whole blocks without a loop: many loads under way at once
  bool gathers = false;        // the subgroups of a workgroup share the blocks of a row
  bool one_block = false;      // of each row
  uint32_t short_columns = 0;  // that a short row has at most; 0: rows may be longer
  bool exact = false;          // short rows have all of these columns
  bool chunked = false;        // a workgroup walks kRowsOfChunk units
  uint32_t rows = 1;           // short ones, that an invocation takes
  bool in_turn = false;        // the elements of a group, by a loop

  std::string key() const {
    std::string k = "r";
    for (uint32_t v :
         {lanes, team, workgroup, static_cast<uint32_t>(from_partials),
          static_cast<uint32_t>(to_partials), static_cast<uint32_t>(to_second_level),
          static_cast<uint32_t>(from_second_level), static_cast<uint32_t>(aligned), rows_per_word,
          static_cast<uint32_t>(unrolled), static_cast<uint32_t>(gathers),
          static_cast<uint32_t>(one_block), short_columns, static_cast<uint32_t>(exact),
          static_cast<uint32_t>(chunked), rows, static_cast<uint32_t>(in_turn)}) {
      k += std::to_string(v) + ",";
    }
    return k;
  }
  bool unit_is_workgroup() const { return gathers || to_second_level; }
  bool shares_units() const { return lanes > 1 || team > 1; }
};

// The words that follow those of the region.
enum ReductionWord : int {
  kUnits,
  kRows,
  kColumns,
  kBlocks,  // of a row; of a stage with partial results: its units
  kBlocksMultiplier,
  kBlocksShift,
  kRowsDivisor,
  kRowsMultiplier,
  kRowsShift,
  kReductionWords
};

ir::Kernel generate_reduction(const Region& region, const Target& target,
                              const ReductionLayout& layout);

}  // namespace nxv::kernels
