#include "graph/recognised_attention.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "graph/build.h"
#include "graph/building.h"
#include "graph/narrowed.h"
#include "graph/seen_keys.h"
#include "graph/written_attention.h"

namespace nxv {
namespace {

// Masked scores are replaced with no less, if not with -infinity: kernels compute with them.
constexpr double kLowest = -1e30;

// The first of views that only number elements otherwise, as such a shape.
NodeRef shaped(NodeRef x, const Shape& shape) {
  while (x->op == Op::reshape && x->is_pending()) x = x->inputs[0];
  return reshape(x, shape);
}

constexpr int kDeepestView = 16;

// A view whose slices come before transposes: parts of a transposed value, as queries, keys and
// values of one product are, have views of their own then, which kernels read by strides.
NodeRef sliced_first(const NodeRef& x, int depth = 0) {
  if (!x->is_pending() || depth == kDeepestView) return x;
  if (x->op == Op::reshape || x->op == Op::transpose) {
    NodeRef input = sliced_first(x->inputs[0], depth + 1);
    return input.get() == x->inputs[0].get() ? x : building::with_inputs(*x, {std::move(input)});
  }
  if (x->op != Op::slice) return x;
  const NodeRef& transposed = x->inputs[0];
  if (transposed->op != Op::transpose || !transposed->is_pending()) return x;
  const Axes& axes = transposed->attribute<AxesAttr>().axes;
  const auto& part = x->attribute<SliceAttr>();
  SliceAttr before = part;
  Shape shape = x->shape;
  for (size_t d = 0; d < axes.size(); ++d) {
    const auto from = static_cast<size_t>(axes[d]);
    before.starts[from] = part.starts[d];
    before.strides[from] = part.strides[d];
    shape[from] = x->shape[d];
  }
  const NodeRef slice =
      building::make_view(transposed->inputs[0], Op::slice, std::move(shape), std::move(before));
  return transpose(sliced_first(slice, depth + 1), axes);
}

class Building {
 public:
  explicit Building(WrittenAttention written) : w_(std::move(written)), s_(w_.sizes) {}

  // {batch, heads, queries, width}, or {batch, queries, heads, width}.
  NodeRef build(bool heads_inside) {
    AttentionAttr attr;
    attr.heads_inside = heads_inside;
    attr.scale = w_.scale;
    const NodeRef q = sliced_first(unscaled(w_.queries, attr.scale));
    const NodeRef k = sliced_first(unscaled(w_.keys, attr.scale));
    const NodeRef v = sliced_first(w_.values);
    std::vector<NodeRef> inputs = {
        shaped(q, {s_.batch, s_.heads, s_.queries, s_.width}),
        transpose(shaped(k, {s_.batch, s_.kv_heads, s_.width, s_.keys}), {0, 1, 3, 2}),
        shaped(v, {s_.batch, s_.kv_heads, s_.keys, s_.value_width})};
    NodeRef lengths;
    if (!w_.masks.empty() && !set_bounds(attr, lengths)) {
      attr.has_mask = true;
      attr.masked = w_.masked < kLowest && std::isfinite(w_.masked) ? kLowest : w_.masked;
      inputs.push_back(spread(mask()));
    }
    if (!w_.biases.empty()) {
      attr.has_bias = true;
      inputs.push_back(spread(bias()));
    }
    if (lengths) {
      attr.has_lengths = true;
      inputs.push_back(broadcast(lengths, {s_.batch}));
    }
    Shape shape = {s_.batch, s_.heads, s_.queries, s_.value_width};
    if (heads_inside) std::swap(shape[1], shape[2]);
    // Kernels write whole words.
    const DType type = w_.values->dtype;
    const DType stored = s_.value_width * storage_bytes(type) % 4 == 0 ? type : DType::f32;
    const GraveyardRef& owner = q->shared_graveyard();
    return cast(make_node(owner, Op::attention, stored, shape, std::move(inputs), attr), type);
  }

 private:
  // Whether the mask is a bound. One that depends on data leaves keys out that no query sees, and
  // stays a mask for what a row is that sees none.
  bool set_bounds(AttentionAttr& attr, NodeRef& lengths) {
    if (w_.masks.size() != 1 || !w_.masks[0].is_seen || w_.masked > kMasked) return false;
    const NodeRef& mask = w_.masks[0].condition;
    if (last_axes(mask->shape) != last_axes(w_.scores)) return false;
    const auto seen = seen_keys(mask);
    if (!seen) return false;
    if (seen->last && !seen->after && !seen->before) lengths = lengths_of(*seen);
    if (!seen->always_some(s_.queries, s_.keys)) return false;
    attr.offset = seen->after ? *seen->after : -*seen->before;
    if (seen->after) attr.after = 0;
    if (seen->before) attr.before = *seen->before + attr.offset;
    return true;
  }
  static Shape last_axes(const Shape& shape) {
    return Shape(shape.end() - std::min<std::ptrdiff_t>(2, std::ssize(shape)), shape.end());
  }

  // How many keys are seen; all of them where none is.
  NodeRef lengths_of(const SeenKeys& seen) const {
    const NodeRef last = reshape(seen.last, {1});
    const auto number = [&](int64_t v) {
      return constant(last->shared_graveyard(), make_scalar(last->dtype, v), {1});
    };
    const NodeRef none = elementwise(Op::less, {last, number(-seen.last_offset)});
    const NodeRef end = elementwise(Op::min, {last, number(s_.keys - 1 - seen.last_offset)});
    const NodeRef length = elementwise(Op::add, {end, number(seen.last_offset + 1)});
    return cast(elementwise(Op::select, {none, number(s_.keys), length}), DType::s32);
  }

  NodeRef mask() const {
    NodeRef all;
    for (const WrittenAttention::Mask& m : w_.masks) {
      const NodeRef x = narrow(m.condition);
      const NodeRef zero = constant(x->shared_graveyard(), make_scalar(x->dtype, int64_t{0}), {});
      const bool is_seen_as_is = m.is_seen && x->dtype == DType::u8;
      const NodeRef seen =
          is_seen_as_is ? x : elementwise(m.is_seen ? Op::not_equal : Op::equal, {x, zero});
      all = all ? elementwise(Op::logical_and, {all, seen}) : seen;
    }
    return all;
  }
  NodeRef bias() const {
    NodeRef sum;
    for (const NodeRef& b : w_.biases) {
      const NodeRef x = narrow(b);
      sum = sum ? elementwise(Op::add, {cast(sum, DType::f32), cast(x, DType::f32)}) : x;
    }
    return sum;
  }

  // What has as many elements as scores, with four axes of theirs or of length 1.
  NodeRef narrow(const NodeRef& x) const {
    NodeRef at = narrowed(x);
    const Shape& given = x->shape;
    const Shape four = {s_.batch, s_.heads, s_.queries, s_.keys};
    if (given.size() == 4 && given == four) return at;
    const size_t rank = given.size();
    const auto is_last = [&] { return rank >= 2 && last_axes(given) == last_axes(four); };
    const bool is_batched = is_last() && rank >= 3 && given[0] == s_.batch;
    if (is_last() && (rank == 2 || is_batched)) {
      // Axes between the first and the last two are heads, all of them or none.
      Shape full = at->shape;
      int64_t heads = 1;
      for (size_t d = 1; d + 2 < rank; ++d) heads *= at->shape[d];
      if (heads != 1) {
        for (size_t d = 1; d + 2 < rank; ++d) full[d] = given[d];
        heads = s_.heads;
      }
      at = broadcast(at, full);
      return reshape(at, {rank == 2 ? 1 : full[0], heads, full[rank - 2], full[rank - 1]});
    }
    return reshape(x, four);
  }
  NodeRef spread(const NodeRef& x) const {
    return broadcast(x, {s_.batch, s_.heads, s_.queries, s_.keys});
  }

  const WrittenAttention w_;
  const AttentionSizes& s_;
};

class Recognition {
 public:
  Recognition(std::span<const NodeRef> values, const AttentionPays& pays) {
    read(values);
    for (const NodeRef& v : values) roots_.insert(v.get());
    for (const Node* node : order_) {
      if (node->op != Op::dot) continue;
      auto written = written_attention(*node);
      if (!written || !is_alone(*written, node)) continue;
      if (pays(written->values->dtype, written->sizes)) {
        found_.emplace(node, std::move(*written));
      }
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
          found == found_.end() ? inputs_of(*at) : operands_of(found->second);
      if (next < inputs.size()) {
        visit(inputs[next++]);
        continue;
      }
      stack.pop_back();
      if (built_.contains(at.get())) continue;
      built_.emplace(at.get(),
                     found == found_.end() ? with_built(at, inputs) : attention(at, found->second));
    }
    return built_.at(value.get());
  }

 private:
  static std::vector<NodeRef> inputs_of(const Node& x) {
    return x.is_pending() ? x.inputs : std::vector<NodeRef>();
  }
  static std::vector<NodeRef> operands_of(const WrittenAttention& w) {
    std::vector<NodeRef> all = {w.queries, w.keys, w.values};
    for (const auto& mask : w.masks) all.push_back(mask.condition);
    all.insert(all.end(), w.biases.begin(), w.biases.end());
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

  // Whether nothing else reads what the product is made of.
  bool is_alone(const WrittenAttention& w, const Node* product) const {
    return std::all_of(w.inner.begin(), w.inner.end(), [&](const Node* x) {
      const auto readers = readers_.find(x);
      return !roots_.contains(x) && readers != readers_.end() &&
             std::all_of(readers->second.begin(), readers->second.end(), [&](const Node* reader) {
               return reader == product || w.inner.contains(reader);
             });
    });
  }

  // Whether all that reads the product has heads within positions.
  bool is_turned(const Node* product, const Shape& shape) const {
    if (roots_.contains(product)) return false;
    const auto readers = readers_.find(product);
    return readers != readers_.end() &&
           std::all_of(readers->second.begin(), readers->second.end(), [&](const Node* reader) {
             if (reader->op == Op::transpose) {
               return reader->attribute<AxesAttr>().axes == Axes{0, 2, 1, 3} &&
                      reader->inputs[0]->shape == shape;
             }
             return reader->op == Op::reshape && is_turned(reader, shape);
           });
  }

  NodeRef attention(const NodeRef& product, WrittenAttention w) {
    const AttentionSizes s = w.sizes;
    const auto now = [&](NodeRef& x) { x = built_.at(x.get()); };
    now(w.queries);
    now(w.keys);
    now(w.values);
    for (auto& mask : w.masks) now(mask.condition);
    for (NodeRef& bias : w.biases) now(bias);
    const bool heads_inside =
        is_turned(product.get(), {s.batch, s.heads, s.queries, s.value_width});
    NodeRef result = Building(std::move(w)).build(heads_inside);
    if (heads_inside) {
      const NodeRef inside = result;
      result = transpose(inside, {0, 2, 1, 3});
      inside_.emplace(result.get(), inside);
    }
    return reshape(result, product->shape);
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
    if (node->op == Op::transpose) {
      const auto inside = inside_.find(built[0].get());
      if (inside != inside_.end() && inside->second->shape == node->shape) return inside->second;
    }
    return building::with_inputs(*node, std::move(built));
  }

  std::vector<const Node*> order_;
  std::unordered_set<const Node*> roots_;
  std::unordered_map<const Node*, std::vector<const Node*>> readers_;
  std::unordered_map<const Node*, WrittenAttention> found_;
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
