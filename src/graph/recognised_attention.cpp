#include "graph/recognised_attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <list>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "graph/build.h"
#include "graph/building.h"
#include "graph/built_attention.h"
#include "graph/written_gradient.h"

namespace nxv {
namespace {

const Axes kTurned = {0, 2, 1, 3};  // from heads before positions to heads inside, and back

// Whether gradients are as accurate as they are written: the operation has weights, and the
// gradient of the result, in the type of its factors. In f32 weights of rows that are hidden would
// not be.
bool is_accurate(const WrittenAttention& w, const WrittenGradient& gradient) {
  const DType type = w.values->dtype;
  if (type == DType::f32) return !may_hide_rows(w);
  return gradient.result->dtype == type || w.powers->dtype == type;
}

// Attention, and what of its gradients is written out beside it.
struct Found {
  const Node* product;  // of weights and values
  WrittenAttention attention;
  std::optional<WrittenGradient> gradient = {};
  // Once they are.
  std::optional<BuiltAttention> built = {};
  std::optional<std::array<NodeRef, 3>> gradients = {};
};

class Recognition {
 public:
  Recognition(std::span<const NodeRef> values, const AttentionPays& pays) {
    read(values);
    for (const NodeRef& v : values) roots_.insert(v.get());
    for (const Node* node : order_) {
      if (node->op != Op::dot) continue;
      if (auto written = written_attention(*node)) all_.push_back({node, std::move(*written)});
    }
    for (Found& found : all_) find_gradient(found);
    const auto has_gradient = [](const Found& found) { return found.gradient.has_value(); };
    if (std::any_of(all_.begin(), all_.end(), has_gradient)) number(values);
    for (Found& found : all_) {
      const WrittenAttention& w = found.attention;
      if (!is_alone(found) || !is_acyclic(found)) continue;
      const AttentionUse use = {found.gradient.has_value(), is_causal(w)};
      if (!pays(w.values->dtype, w.sizes, use)) continue;
      found_.emplace(found.product, &found);
      if (!found.gradient) continue;
      for (const auto& product : found.gradient->products) found_.emplace(product.node, &found);
    }
  }
  bool is_empty() const { return found_.empty(); }

  NodeRef rebuilt(const NodeRef& value) {
    std::vector<std::pair<NodeRef, size_t>> stack;
    const auto visit = [&](const NodeRef& x) {
      if (!built_.contains(x.get())) stack.emplace_back(x, 0);
    };
    visit(value);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      const NodeRef at = node;
      const auto found = found_.find(at.get());
      const std::vector<NodeRef> inputs =
          found == found_.end() ? inputs_of(*at) : operands_of(*found->second, *at);
      if (next < inputs.size()) {
        visit(inputs[next++]);
        continue;
      }
      stack.pop_back();
      if (built_.contains(at.get())) continue;
      built_.emplace(at.get(),
                     found == found_.end() ? with_built(at, inputs) : made(*at, *found->second));
    }
    return built_.at(value.get());
  }

 private:
  static std::vector<NodeRef> inputs_of(const Node& x) {
    return x.is_pending() ? x.inputs : std::vector<NodeRef>();
  }
  static std::vector<NodeRef> operands_of(const Found& found, const Node& product) {
    const WrittenAttention& w = found.attention;
    std::vector<NodeRef> all = {w.queries, w.keys, w.values};
    for (const auto& mask : w.masks) {
      all.push_back(mask.condition);
      if (mask.added) all.push_back(mask.added);
    }
    all.insert(all.end(), w.biases.begin(), w.biases.end());
    if (&product != found.product) all.push_back(found.gradient->result);
    return all;
  }

  void read(std::span<const NodeRef> values) {
    std::unordered_set<const Node*> seen;
    std::vector<const Node*> stack;
    for (const NodeRef& v : values) {
      if (seen.insert(v.get()).second) stack.push_back(v.get());
    }
    while (!stack.empty()) {
      const Node* node = stack.back();
      stack.pop_back();
      order_.push_back(node);
      if (!node->is_pending()) continue;
      for (const NodeRef& input : node->inputs) {
        readers_[input.get()].push_back(node);
        if (seen.insert(input.get()).second) stack.push_back(input.get());
      }
    }
  }

  std::span<const Node* const> readers_of(const Node& x) const {
    const auto readers = readers_.find(&x);
    return readers == readers_.end() ? std::span<const Node* const>() : readers->second;
  }

  void find_gradient(Found& found) const {
    found.gradient = written_gradient(*found.product, found.attention,
                                      [&](const Node& x) { return readers_of(x); });
    if (found.gradient && !is_accurate(found.attention, *found.gradient)) found.gradient.reset();
  }

  // Whether nothing else reads what the products are made of.
  bool is_alone(const Found& found) const {
    std::unordered_set<const Node*> inner = found.attention.inner, own = {found.product};
    if (found.gradient) {
      inner.insert(found.gradient->inner.begin(), found.gradient->inner.end());
      for (const auto& product : found.gradient->products) own.insert(product.node);
    }
    return std::all_of(inner.begin(), inner.end(), [&](const Node* x) {
      const auto readers = readers_of(*x);
      return !roots_.contains(x) && std::all_of(readers.begin(), readers.end(), [&](const Node* r) {
        return own.contains(r) || inner.contains(r);
      });
    });
  }

  // Numbers nodes behind those that they read; what attention is made of comes early.
  void number(std::span<const NodeRef> values) {
    std::vector<std::pair<const Node*, size_t>> stack;
    const auto visit = [&](const Node* x) {
      if (numbers_.emplace(x, -1).second) stack.emplace_back(x, 0);
    };
    const auto number_all = [&](const Node* x) {
      visit(x);
      while (!stack.empty()) {
        auto& [node, next] = stack.back();
        if (node->is_pending() && next < node->inputs.size()) {
          visit(node->inputs[next++].get());
          continue;
        }
        numbers_[node] = next_number_++;
        stack.pop_back();
      }
    };
    for (const Found& found : all_) number_all(found.product);
    for (const NodeRef& value : values) number_all(value.get());
  }

  // The gradient of values, which does not depend on values as it is written, does as a result of
  // the operation. Each such edge follows the numbers, so that there are no cycles.
  bool is_acyclic(const Found& found) const {
    if (!found.gradient) return true;
    const auto& products = found.gradient->products;
    return std::all_of(products.begin(), products.end(), [&](const auto& product) {
      return numbers_.at(found.attention.values.get()) < numbers_.at(product.node);
    });
  }

  // Whether all that reads the product has heads within positions.
  bool is_turned(const Node* product, const Shape& shape) const {
    if (roots_.contains(product)) return false;
    const auto readers = readers_.find(product);
    return readers != readers_.end() &&
           std::all_of(readers->second.begin(), readers->second.end(), [&](const Node* reader) {
             if (reader->op == Op::transpose) {
               return reader->attribute<AxesAttr>().axes == kTurned &&
                      reader->inputs[0]->shape == shape;
             }
             return reader->op == Op::reshape && is_turned(reader, shape);
           });
  }

  NodeRef made(const Node& product, Found& found) {
    const AttentionSizes& s = found.attention.sizes;
    const bool heads_inside =
        is_turned(found.product, {s.batch, s.heads, s.queries, s.value_width});
    if (!found.built) {
      found.built.emplace(now(found.attention), heads_inside, found.gradient.has_value());
    }
    if (&product == found.product) {
      return reshape(outside(found.built->result(), heads_inside), product.shape);
    }
    if (!found.gradients) {
      found.gradients = found.built->gradients(built_.at(found.gradient->result.get()));
    }
    const auto& products = found.gradient->products;
    const auto of = std::find_if(products.begin(), products.end(),
                                 [&](const auto& p) { return p.node == &product; });
    const NodeRef gradient = multiple((*found.gradients)[static_cast<size_t>(of->of)], of->factor);
    const NodeRef x = outside(cast(gradient, product.dtype), heads_inside);
    return reshape(of->is_transposed ? transpose(x, {0, 1, 3, 2}) : x, product.shape);
  }

  // Of rebuilt operands.
  WrittenAttention now(WrittenAttention w) const {
    const auto rebuild = [&](NodeRef& x) { x = built_.at(x.get()); };
    rebuild(w.queries);
    rebuild(w.keys);
    rebuild(w.values);
    for (auto& mask : w.masks) {
      rebuild(mask.condition);
      if (mask.added) rebuild(mask.added);
    }
    for (NodeRef& bias : w.biases) rebuild(bias);
    return w;
  }

  // With heads before positions, as it is written.
  NodeRef outside(const NodeRef& x, bool heads_inside) {
    if (!heads_inside) return x;
    const NodeRef turned = transpose(x, kTurned);
    inside_.emplace(turned.get(), x);
    return turned;
  }

  NodeRef with_built(const NodeRef& node, const std::vector<NodeRef>& inputs) {
    bool is_same = true;
    std::vector<NodeRef> built;
    for (const NodeRef& input : inputs) {
      built.push_back(built_.at(input.get()));
      is_same = is_same && built.back().get() == input.get();
    }
    if (is_same) return node;
    if (node->op == Op::reshape) return shaped(built[0], node->shape);
    if (node->op == Op::transpose && node->attribute<AxesAttr>().axes == kTurned) {
      const auto inside = inside_.find(built[0].get());
      if (inside != inside_.end()) return inside->second;
    }
    return building::with_inputs(*node, std::move(built));
  }

  std::vector<const Node*> order_;
  std::unordered_set<const Node*> roots_;
  std::unordered_map<const Node*, std::vector<const Node*>> readers_;
  std::list<Found> all_;
  std::unordered_map<const Node*, Found*> found_;  // by the products that are replaced
  std::unordered_map<const Node*, int64_t> numbers_;
  int64_t next_number_ = 0;
  std::unordered_map<const Node*, NodeRef> built_;
  std::unordered_map<const Node*, NodeRef> inside_;  // by their transposes
};

}  // namespace

std::vector<NodeRef> recognised_attention(std::span<const NodeRef> values,
                                          const AttentionPays& pays) {
  Recognition recognition(values, pays);
  if (recognition.is_empty()) return {values.begin(), values.end()};
  std::vector<NodeRef> result;
  for (const NodeRef& value : values) result.push_back(recognition.rebuilt(value));
  return result;
}

}  // namespace nxv
