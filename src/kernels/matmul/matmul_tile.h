// The part of a product's result that a workgroup computes, and how.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "kernels/common/family.h"

namespace nxv::kernels {

struct MatmulTile {
  enum class Kind : uint8_t {
    plain,      // one element after the other; takes everything
    registers,  // a block of C in the registers of each invocation, operands straight from memory
    shared,     // operands pass through shared memory
    units,      // so they do, on their way to matrix units
    lines,      // of few rows or columns: the other factor is read once
  };
  Choice<Kind> kind = Kind::plain;
  uint32_t rows = 0, columns = 0;  // of C for each workgroup
  uint32_t depth = 0;              // steps along k between two barriers, or unrolled
  // Of C, for `lanes` invocations together: 1, but with matrix units those of a subgroup.
  uint32_t thread_rows = 0, thread_columns = 0;
  uint32_t lanes = 1;
  // shared, lines: parts of the workgroup, each of which adds up other blocks of the tile's
  // elements.
  uint32_t teams = 1;
  // Where the sum of the finished blocks waits while the next block is added up: in registers, or
  // in C itself.
  Choice<bool> total_in_output = false;
  // A workgroup takes a part of the steps along k, and its sums go to a workspace, where those of
  // all parts are then added up, in order. A part is: of lines, one block for each team; of shared
  // tiles, one block; of units, one of `parts`.
  Choice<bool> split = false;
  uint32_t parts = 1;
  // shared: a word has four steps along k of 8-bit integers, whose products an instruction adds up.
  Choice<bool> is_packed = false;
  // registers: the lanes of a subgroup load different rows of A and pass them around.
  Choice<bool> shuffle = false;

  uint32_t threads() const { return team_threads() * teams; }
  uint32_t team_threads() const {
    return kind == Kind::plain ? 1 : (rows / thread_rows) * (columns / thread_columns) * lanes;
  }
  // lines: of C, for each workgroup; they are its rows or its columns. An invocation has some of
  // them, and all of the few vectors that the lines are multiplied with.
  bool lines_are_rows() const { return rows > thread_rows; }
  uint32_t lines() const { return lines_are_rows() ? rows : columns; }
  uint32_t thread_lines() const { return lines_are_rows() ? thread_rows : thread_columns; }
  uint32_t vectors() const { return lines_are_rows() ? columns : rows; }
  // lines: vectors whose sums meet in shared memory at a time; bounds what that takes.
  uint32_t exchanged_vectors() const { return std::min(vectors(), 4u); }
  std::string name() const;
};

MatmulTile register_tile(uint32_t lanes, uint32_t rows, uint32_t columns, bool shuffle);
MatmulTile shared_tile(uint32_t rows, uint32_t columns, uint32_t depth, uint32_t thread_rows,
                       uint32_t thread_columns, bool total_in_output = false);
// `lanes` invocations a team, of `thread_lines` lines each.
MatmulTile line_tile(bool lines_are_rows, uint32_t vectors, uint32_t lanes, uint32_t thread_lines,
                     uint32_t depth);
// The tile of four times as many steps, packed.
MatmulTile packed(MatmulTile tile);
MatmulTile with_teams(MatmulTile tile, uint32_t teams);
// Of units. Parts are whole numbers of slabs, and so may be fewer.
MatmulTile with_parts(MatmulTile tile, uint32_t parts);
uint64_t steps_of_part(uint64_t k, uint32_t parts);
// Of the plan's subgroups; where registers are few, of more of them than are asked for.
MatmulTile unit_tile(const plan::DevicePlan& plan, uint32_t rows, uint32_t columns, uint32_t depth,
                     uint32_t subgroup_rows, uint32_t subgroup_columns);

}  // namespace nxv::kernels
