// Attention of few queries over a short cache, in one dispatch: a workgroup has a row, a query of
// one head, and goes over all of its keys.
//
// The bits are those of attention_decode.h: keys in parts of the same length, each with a maximum,
// a sum and totals of its own, which are combined in the same order. Here they stay in shared
// memory. Rows that share a head of keys each read it, which is worth a second dispatch while there
// are few rows and keys.
#pragma once

#include "kernels/attention/attention_decode.h"

namespace nxv::kernels {

struct RowAttentionLayout {
  AttentionOptions options;
  uint32_t part = 64;                   // keys
  uint32_t block = 32;                  // what the first key that is seen is a multiple of
  uint32_t teams = 4;                   // parts at a time, of kDecodeInvocations each
  uint32_t parts = 16;                  // at most
  uint32_t width = 8, value_width = 8;  // in chunks of 16 bytes
  uint32_t pairs = 32;                  // of columns, as those that combine parts have them
};

ir::Kernel generate_row_attention(const Region&, const Target&, const RowAttentionLayout&);
uint32_t row_shared_bytes(const RowAttentionLayout& layout);

}  // namespace nxv::kernels
