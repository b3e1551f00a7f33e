// How the gradients of attention are written out, of which the weights are.
//
// With W the weights, D the gradient of the weights and G that of the result: D = G V^T; the
// values' gradient W^T G; those of queries and keys products with the gradient of the scores
// (graph/softmax_terms.h). What maxima that were subtracted take part in cancels: scores may be
// moved along.
#pragma once

#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "graph/written_attention.h"

namespace nxv {

struct WrittenGradient {
  enum Of { queries, keys, values };
  // In place of which the gradient of a factor of the attention stands, times a factor.
  struct Product {
    const Node* node;
    Of of;
    bool is_transposed;  // of its last two axes
    double factor;
  };
  NodeRef result;  // G, {batch * kv_heads, rows, value_width}
  std::vector<Product> products;
  // What nothing else may read, beside what is inside of the attention.
  std::unordered_set<const Node*> inner;
};

using ReadersOf = std::function<std::span<const Node* const>(const Node&)>;

// Of what reads scores and weights of the product that `attention` is written in, all of it.
// Whether anything else reads what lies between is not looked at.
std::optional<WrittenGradient> written_gradient(const Node& product,
                                                const WrittenAttention& attention,
                                                const ReadersOf& readers);

}  // namespace nxv
