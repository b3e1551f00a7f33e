// Attention: softmax(scale * Q K^T, capped, biased and masked) V, of which no score reaches memory.
//
// A workgroup takes a block of queries of one head and goes over the keys in blocks: scores of a
// block, the rows' maxima and sums so far, and the weighted values, rescaled where a maximum grows
// (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018; Dao,
// "FlashAttention-2", 2023). Blocks that no query of it sees are skipped. Keys and values have up
// to as many heads as queries, each for a group of those.
//
// A row that sees no key has the result 0.
#pragma once

#include "graph/attention.h"
#include "graph/region_words.h"
#include "kernels/common/family.h"
#include "kernels/common/kernel_arguments.h"

namespace nxv::kernels {

// What the code of all of these kernels depends on beside operands' types.
struct AttentionOptions {
  Choice<DType> type;    // of queries, keys and values
  Choice<DType> stored;  // of the result
  Choice<bool> has_mask, has_bias, has_lengths, has_offsets, has_sinks;
  Choice<bool> has_cap, has_before, has_after;
  Choice<DType> bias;
  Choice<int> result = 0, statistics = -1;  // which root each is; -1: none
};

// A tensor of up to four axes, as the region's words have it.
struct AttentionPlace {
  uint32_t offset = 0, strides[4] = {};
};

struct AttentionWords {
  uint32_t groups = 0;      // workgroups
  uint32_t head_block = 1;  // heads whose blocks of equal numbers are side by side
  Divisor query_blocks, heads, head_group;
  uint32_t queries = 0, keys = 0, width = 0, value_width = 0;
  RealWord scale, cap, inverse_cap, masked, lowest;
  RealWord binary_scale;                       // scale / log(2)
  uint32_t before = 0, after = 0, offset = 0;  // s32
  // Of the result; its rows are contiguous.
  uint32_t batch_stride = 0, head_stride = 0, row_stride = 0;
};

// Form for any device: matrices in shared memory, 64 invocations.
struct SharedAttentionLayout {
  AttentionOptions options;
  uint32_t rows = 4;             // of an invocation
  uint32_t value_slabs = 2;      // of 32 columns
  Choice<bool> wide = false;     // adds up in f64
  Choice<bool> in_turn = false;  // see AttentionTiles
  // Four columns of a row are a group.
  Choice<bool> query_groups = false, key_groups = false, value_groups = false,
               result_groups = false;
};

// On matrix units of 16 x 16 x 16, f16 and bf16.
struct UnitAttentionLayout {
  AttentionOptions options;
  uint32_t lanes = 32;                  // of a subgroup
  uint32_t subgroups = 4;               // of a workgroup
  uint32_t rows = 32;                   // of a subgroup
  uint32_t width = 4, value_width = 4;  // in matrices
  uint32_t keys = 64;                   // of a block
  uint32_t stages = 2;                  // blocks in shared memory
  Choice<bool> whole = true;            // columns fill the matrices
  Choice<bool> in_registers = true;     // Capabilities::matrix_chains
};

ir::Kernel generate_shared_attention(const Region&, const Target&, const SharedAttentionLayout&);

uint32_t unit_shared_bytes(const UnitAttentionLayout& layout);

ir::Kernel generate_unit_attention(const Region&, const Target&, const UnitAttentionLayout&);

// Of workgroups that each have a block of rows (queries, or keys) of one of so many heads.
// Of so many heads of each batch entry, those that are under way at once, so that caches hold what
// their blocks share.
uint32_t head_block(const AttentionSizes& sizes, int64_t heads);

AttentionWords attention_words(const Node& node, int64_t heads, int64_t rows, uint32_t block_rows);

Lowering lower_attention(const Region& region, const Target& target);

}  // namespace nxv::kernels
