// Attention of few queries, as a step of generation has: keys and values are read once for all
// queries and heads that share them, at the speed of memory.
//
// Keys are split into parts, whose length follows from their number alone. A workgroup takes a part
// of one head of keys for all its rows (queries times heads): scores of the part, weights by its
// own maximum, weighted values; the maximum, the sum and the totals go to a workspace. A second
// kernel combines the parts of each row (Dao et al., "Flash-Decoding", 2023).
#pragma once

#include "kernels/attention/attention.h"

namespace nxv::kernels {

struct DecodeLayout {
  AttentionOptions options;
  uint32_t rows = 1;                    // of a workgroup: 1, 2, 4 or 8
  uint32_t part = 256;                  // keys
  uint32_t tile = 32;                   // keys in shared memory at a time
  uint32_t width = 8, value_width = 8;  // in chunks of 16 bytes
};
// On matrix units, of f16 and bf16.
struct UnitPartsLayout {
  AttentionOptions options;
  uint32_t lanes = 32, subgroups = 4;   // of a subgroup, of a workgroup
  uint32_t width = 8, value_width = 8;  // in matrices
  uint32_t part = 512;                  // keys
  uint32_t keys = 16;                   // of a block
  Choice<bool> in_registers = true;     // Capabilities::matrix_chains
};
struct CombineLayout {
  AttentionOptions options;
  uint32_t pairs = 32;  // of columns, rounded up to a power of two
};

// A workgroup of the first kernel has rows of one head of keys, and its part varies fastest: words
// name blocks of rows and parts as blocks of queries, heads of keys as heads.
struct DecodeWords {
  AttentionWords attention;
  Divisor row_blocks;
  uint32_t rows = 0;  // queries times heads of a group
  uint32_t parts = 0;
  uint32_t statistics = 0;  // where maxima and sums begin in the workspace, behind the totals
};

ir::Kernel generate_attention_parts(const Region&, const Target&, const DecodeLayout&);
ir::Kernel generate_attention_combination(const Region&, const Target&, const CombineLayout&);
ir::Kernel generate_attention_unit_parts(const Region&, const Target&, const UnitPartsLayout&);
uint32_t unit_parts_shared_bytes(const UnitPartsLayout& layout);
uint32_t decode_shared_bytes(const DecodeLayout& layout);
inline constexpr uint32_t kDecodeInvocations = 128, kCombineInvocations = 256;

// How keys are split: the length of all parts but the last.
uint32_t part_of_keys(int64_t keys);
uint32_t unit_part_of_keys(int64_t keys);  // on matrix units

}  // namespace nxv::kernels
