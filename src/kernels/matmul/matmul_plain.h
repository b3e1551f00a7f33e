// Matrix products one element at a time: any type, any strides, any length.
#pragma once

#include "kernels/matmul/product.h"

namespace nxv::kernels {

enum class PlainStage : uint8_t {
  whole,   // A, B -> C
  blocks,  // A, B -> the sum of each block, in a workspace
  totals,  // sums of blocks (and an earlier total) -> C, or a total for the next pass
};

struct PlainLayout {
  Accumulation sums;
  Choice<PlainStage> stage = PlainStage::whole;
  uint32_t workgroup = 64;  // of each team
  uint32_t unroll = 8;
  // whole: parts of the workgroup, each of which adds up other blocks of the same elements.
  uint32_t teams = 1;
  Choice<bool> resumes = false;  // totals: starts from the total of the pass before
  Choice<bool> finishes = true;  // totals: writes C
  // totals: of f32 that matrix units may have added up in parts of their own: verdicts tell.
  Choice<bool> judged = false;
};

struct PlainWords {
  uint32_t units = 0;                    // invocations that have something to do
  Divisor columns, rows;                 // of C
  Divisor count;                         // elements of C
  uint32_t first_block = 0, blocks = 0;  // of this pass
};

// Words: PlainWords; JudgedWords (split_lines.h) where totals are judged. Workspaces: the lines,
// where they are; the sums of blocks, but for `whole`; then the total, where it resumes or does not
// finish.
ir::Kernel generate_plain_matmul(const Region&, const Target&, const PlainLayout&);
inline constexpr Family<PlainLayout> kPlainMatmul = {"matmul_plain", generate_plain_matmul};

}  // namespace nxv::kernels
