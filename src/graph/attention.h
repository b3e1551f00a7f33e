// Which operand of an attention is what, and its sizes.
#pragma once

#include "graph/node.h"

namespace nxv {

// Queries {batch, heads, queries, width}, keys {batch, kv_heads, keys, width} and values {batch,
// kv_heads, keys, value_width} of one type; then, where the attributes say so, in this order:
struct AttentionOperands {
  int mask = -1;     // u8 {batch, heads, queries, keys}: 0 where a score is masked
  int bias = -1;     // {batch, heads, queries, keys}, added to scores
  int lengths = -1;  // s32 {batch}: keys from there on are left out
  int offsets = -1;  // s32 {batch}: added to the attributes' offset
  int sinks = -1;    // f32 {heads}: a score more of each row, which has no value
  int count = 3;

  explicit AttentionOperands(const AttentionAttr& a) {
    if (a.has_mask) mask = count++;
    if (a.has_bias) bias = count++;
    if (a.has_lengths) lengths = count++;
    if (a.has_offsets) offsets = count++;
    if (a.has_sinks) sinks = count++;
  }
};

// A score that is replaced with this or less counts as -infinity in a row that sees a key. Where
// weights are computed again from the logarithms of their sums, scores are replaced with no less:
// such a logarithm would not tell how many are in a row that sees none.
inline constexpr double kMasked = -30000;

struct AttentionSizes {
  int64_t batch = 1, heads = 1, kv_heads = 1, queries = 1, keys = 1, width = 1, value_width = 1;

  AttentionSizes() = default;
  explicit AttentionSizes(const Node& attention) {
    const Shape &q = attention.inputs[0]->shape, &v = attention.inputs[2]->shape;
    batch = q[0];
    heads = q[1];
    queries = q[2];
    width = q[3];
    kv_heads = v[1];
    keys = v[2];
    value_width = v[3];
  }
};

// The operation that a root of a region is of, itself or one of its results.
inline const Node& operation_of(const Node& root) {
  return root.op == Op::result ? *root.inputs[0] : root;
}

// Whether the node has a `result` for each of several values, and none itself: of operations with
// kernels of their own.
inline bool has_results(const Node& node) {
  if (node.op == Op::attention_gradient) return true;
  return node.op == Op::attention && node.attribute<AttentionAttr>().has_statistics;
}

// Operations with kernels of their own that read views of stored values by their strides.
inline bool reads_strided(Op op) { return op == Op::attention || op == Op::attention_gradient; }

}  // namespace nxv
