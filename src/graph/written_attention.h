// How attention is written out: what a product of weights and values is made of.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <unordered_set>
#include <vector>

#include "graph/attention.h"

namespace nxv {

struct WrittenAttention {
  struct Mask {
    NodeRef condition;    // of as many elements as scores, in their order
    bool is_seen = true;  // where it is true
    NodeRef added = {};   // the bias that it is written as: 0 where a score is seen
  };
  // Factors of the products: {batch * kv_heads, rows, width}, {batch * kv_heads, width, keys},
  // {batch * kv_heads, keys, value_width}; the first axis may be missing.
  NodeRef queries, keys, values;
  Shape scores;  // {..., queries, keys}
  AttentionSizes sizes;
  double scale = 1;
  std::vector<Mask> masks;
  double masked = 0;
  std::vector<NodeRef> biases;                    // as conditions
  const Node *powers = nullptr, *sums = nullptr;  // weights are the former over the latter
  const Node* maxima = nullptr;                   // that were subtracted; null: none
  // What nothing else may read.
  std::unordered_set<const Node*> inner;
};

// Of a product, which may be one of weights and values.
std::optional<WrittenAttention> written_attention(const Node& product);

// Of types that queries, keys and values may have.
bool is_factor_type(DType type);
// Whether a broadcast repeats a number of each row of so many columns along the row.
bool spreads_rows(const Node& broadcast, int64_t columns);
// Whether a reduction is of rows of so many columns.
bool reduces_rows(const Node& reduction, int64_t columns);

// The number that all elements are, where they follow from constants.
std::optional<double> constant_number(const Node& x);
// What x is a multiple of by a constant, if it is: views are built anew. The scale is multiplied.
NodeRef unscaled(const NodeRef& x, double& scale);

}  // namespace nxv
