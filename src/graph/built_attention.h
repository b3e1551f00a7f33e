// The operations that stand in place of attention that is written out.
#pragma once

#include <array>
#include <vector>

#include "graph/written_attention.h"

namespace nxv {

// Whether a mask may be false for all of a row, of which weights are uniform then.
bool may_hide_rows(const WrittenAttention& written);

// Whether what queries see ends at a position of theirs.
bool is_causal(const WrittenAttention& written);

// What the operation is given.
struct AttentionInputs {
  AttentionAttr attributes;
  AttentionSizes sizes;
  std::vector<NodeRef> operands;          // as AttentionOperands has them
  double query_scale = 1, key_scale = 1;  // factors are written as such multiples of operands
};

// With gradients, no score is hidden by less than kMasked: weights of rows of which all are hidden
// come to 2^-10 of themselves.
class BuiltAttention {
 public:
  // Results, and gradients of their factors, are {batch, heads, length, width}, or, with heads
  // inside, {batch, length, heads, width}.
  BuiltAttention(const WrittenAttention& written, bool heads_inside, bool has_gradients);

  const NodeRef& result() const { return result_; }
  // Of queries, keys and values as they are written, in f32 or the type of these, from that of the
  // result, {batch * kv_heads, rows, value_width}.
  std::array<NodeRef, 3> gradients(const NodeRef& of_result) const;

 private:
  AttentionInputs inputs_;
  NodeRef result_, sums_;
};

// In f32 where the factor is not 1.
NodeRef multiple(const NodeRef& x, double factor);

// The first of views that only number elements otherwise, as such a shape.
NodeRef shaped(NodeRef x, const Shape& shape);

}  // namespace nxv
