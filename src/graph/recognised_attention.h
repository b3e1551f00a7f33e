// Attention that is written out, as softmax(scores) V.
//
// Scores are a product of queries and keys, scaled by constants, with biases added and then masks
// selected, in any of f16, bf16 and f32; the softmax is the exponential of the scores, of which
// their rows' maxima may be subtracted, divided by its sums or multiplied by their reciprocals.
// Nothing else reads what lies between, but for the gradients of queries, keys and values by that
// of the result, in whatever order they are written (graph/written_gradient.h). Weights are of the
// type of queries, keys and values, so that the operation rounds nowhere where what was written
// does not.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "graph/attention.h"

namespace nxv {

struct AttentionUse {
  bool with_gradients = false;
  bool is_causal = false;  // queries see keys up to a position of theirs
};
// Whether the operation is faster than what it stands for, of matrices of such a type.
using AttentionPays = std::function<bool(DType, const AttentionSizes&, const AttentionUse&)>;

// Values in which attention of such sizes is one operation: the values themselves where there is
// none. Values are canonical (graph/common_values.h), which the result need not be any more.
//
// Comparisons of positions of which each query sees a key become bounds, masks and biases operands,
// of length 1 along axes that they do not depend on. Results differ by rounding. A score that is
// replaced with kMasked or less counts as -infinity in a row that sees a key. Follows pending
// nodes: the engine's thread only.
std::vector<NodeRef> recognised_attention(std::span<const NodeRef> values,
                                          const AttentionPays& pays);

}  // namespace nxv
