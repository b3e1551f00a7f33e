// Which of its kernels a matrix product uses, open to benchmarks and tests.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/lowering.h"

namespace nxv::kernels {

// The part of C that a workgroup computes, and how.
struct MatmulTile {
  enum class Kind : uint8_t {
    plain,      // one element after the other; takes everything
    registers,  // a block of C in the registers of each invocation, operands straight from memory
    shared,     // operands pass through shared memory
    units,      // so they do, on their way to matrix units
  };
  Kind kind = Kind::plain;
  uint32_t rows = 0, columns = 0;  // of C for each workgroup
  uint32_t depth = 0;              // steps along k between two barriers, or unrolled
  // Of C, for `lanes` invocations together: 1, but with matrix units those of a subgroup.
  uint32_t thread_rows = 0, thread_columns = 0;
  uint32_t lanes = 1;
  // units: steps along k that they add up before the sum goes to a total; 0: all of them.
  uint32_t chain = 0;
  // Where the sum of the finished blocks waits while the next block is added up: in registers, or
  // in C itself.
  bool total_in_output = false;
  // registers: the lanes of a subgroup load different rows of A and pass them around.
  bool shuffle = false;

  uint32_t threads() const {
    return kind == Kind::plain ? 1 : (rows / thread_rows) * (columns / thread_columns) * lanes;
  }
  // units: steps along k of an iteration.
  uint32_t steps() const { return std::max(depth, chain); }
  std::string name() const;
};

// Tiles that suit devices of the target's kind, in no order.
std::vector<MatmulTile> candidate_tiles(const Target& target);

// As lower_matmul, with the tile given. Throws Error(invalid_argument) when the tile cannot compute
// the region on that target.
Lowering lower_matmul(const Region& region, const Target& target, const MatmulTile& tile);

}  // namespace nxv::kernels
