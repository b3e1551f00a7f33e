#include "graph/built_attention.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "graph/build.h"
#include "graph/building.h"
#include "graph/narrowed.h"
#include "graph/seen_keys.h"

namespace nxv {
namespace {

// Masked scores are replaced with no less, if not with -infinity: kernels compute with them.
constexpr double kLowest = -1e30;

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

// Views are built anew of what is made of the value that they are of.
template <typename Make>
NodeRef before_views(const NodeRef& x, const Make& make, int depth = 0) {
  const bool is_view = x->op == Op::reshape || x->op == Op::transpose;
  if (!is_view || !x->is_pending() || depth == kDeepestView) return make(x);
  NodeRef input = before_views(x->inputs[0], make, depth + 1);
  return x->op == Op::reshape ? reshape(input, x->shape)
                              : transpose(input, x->attribute<AxesAttr>().axes);
}

// A gradient in the type of factors.
struct Narrowed {
  NodeRef value;
  NodeRef unit;  // of what it is in: a number of f32; null: 1
};

// f16 holds what is f32 in units of eight times the largest, which are let down to no less than
// 1e-30: sums of products have room above, numbers of a millionth of the largest below.
Narrowed narrowed_gradient(const NodeRef& x, DType type) {
  if (type != DType::f16 || x->dtype == DType::f16) {
    return {before_views(x, [&](const NodeRef& v) { return cast(v, type); }), {}};
  }
  const auto number = [&](double v) {
    return constant(x->shared_graveyard(), make_scalar(DType::f32, v), {});
  };
  NodeRef unit;
  const NodeRef value = before_views(x, [&](const NodeRef& v) {
    const NodeRef largest = reduce(Op::reduce_max, elementwise(Op::abs, {v}), {}, false);
    unit = elementwise(Op::multiply, {elementwise(Op::max, {largest, number(1e-30)}), number(8)});
    return cast(elementwise(Op::divide, {v, unit}), type);
  });
  return {value, unit};
}

Shape last_axes(const Shape& shape) {
  return Shape(shape.end() - std::min<std::ptrdiff_t>(2, std::ssize(shape)), shape.end());
}

// What the only mask says of positions. One that depends on data leaves keys out that no query
// sees, and stays a mask for what a row is that sees none.
std::optional<SeenKeys> seen_by_position(const WrittenAttention& w) {
  if (w.masks.size() != 1 || !w.masks[0].is_seen || w.masked > kMasked) return {};
  const NodeRef& mask = w.masks[0].condition;
  return last_axes(mask->shape) == last_axes(w.scores) ? seen_keys(mask) : std::nullopt;
}

class Inputs {
 public:
  Inputs(const WrittenAttention& written, bool heads_inside, bool has_gradients)
      : w_(written), s_(w_.sizes), has_gradients_(has_gradients) {
    made_.sizes = s_;
    const NodeRef q = sliced_first(unscaled(w_.queries, made_.query_scale));
    const NodeRef k = sliced_first(unscaled(w_.keys, made_.key_scale));
    const NodeRef v = sliced_first(w_.values);
    attr_.heads_inside = heads_inside;
    attr_.scale = w_.scale * made_.query_scale * made_.key_scale;
    made_.operands = {
        shaped(q, {s_.batch, s_.heads, s_.queries, s_.width}),
        transpose(shaped(k, {s_.batch, s_.kv_heads, s_.width, s_.keys}), {0, 1, 3, 2}),
        shaped(v, {s_.batch, s_.kv_heads, s_.keys, s_.value_width})};
    add_others();
  }
  AttentionInputs take() { return std::move(made_); }

 private:
  void add_others() {
    NodeRef lengths;
    const auto seen = seen_by_position(w_);
    if (seen && seen->last && !seen->after && !seen->before) lengths = lengths_of(*seen);
    const bool is_bounded = seen && seen->always_some(s_.queries, s_.keys);
    if (is_bounded) set_bounds(*seen);
    const bool is_masked = !w_.masks.empty() && !is_bounded;
    // Where a mask hides all of a row, scores have slopes behind a bias and none behind a mask.
    const bool is_added = is_masked && has_gradients_ && w_.masks[0].added;
    if (is_masked && !is_added) {
      attr_.has_mask = true;
      const double lowest = has_gradients_ ? kMasked : kLowest;
      attr_.masked = std::isfinite(w_.masked) ? std::max(w_.masked, lowest) : w_.masked;
      made_.operands.push_back(spread(mask()));
    }
    if (is_added || !w_.biases.empty()) {
      attr_.has_bias = true;
      const NodeRef added = is_added ? narrow(w_.masks[0].added) : bias();
      made_.operands.push_back(spread(has_gradients_ ? limited(added) : added));
    }
    if (lengths) {
      attr_.has_lengths = true;
      made_.operands.push_back(broadcast(lengths, {s_.batch}));
    }
  }

  void set_bounds(const SeenKeys& seen) {
    attr_.offset = seen.after ? *seen.after : -*seen.before;
    if (seen.after) attr_.after = 0;
    if (seen.before) attr_.before = *seen.before + attr_.offset;
  }

  // Weights are computed again from the logarithms of their sums, which would lose all in a row of
  // scores that were lower.
  static NodeRef limited(const NodeRef& bias) {
    const NodeRef lowest =
        constant(bias->shared_graveyard(), make_scalar(bias->dtype, kMasked), {});
    return elementwise(Op::max, {bias, lowest});
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

  const WrittenAttention& w_;
  const AttentionSizes& s_;
  const bool has_gradients_;
  AttentionInputs made_;
  AttentionAttr& attr_ = made_.attributes;
};

// Kernels write whole words.
DType stored_type(DType type, std::initializer_list<int64_t> widths) {
  const bool fits = std::all_of(widths.begin(), widths.end(), [&](int64_t width) {
    return width * storage_bytes(type) % 4 == 0;
  });
  return fits ? type : DType::f32;
}

// From {batch, heads, length, width} to the order that results have, and back.
Shape ordered(Shape shape, bool heads_inside) {
  if (heads_inside) std::swap(shape[1], shape[2]);
  return shape;
}
NodeRef ordered(const NodeRef& x, bool heads_inside) {
  return heads_inside ? transpose(x, {0, 2, 1, 3}) : x;
}

NodeRef result_of(const NodeRef& all, DType stored, Shape shape, int64_t index) {
  return make_node(all->shared_graveyard(), Op::result, stored, std::move(shape), {all},
                   ResultAttr{index});
}

}  // namespace

bool may_hide_rows(const WrittenAttention& w) {
  if (w.masks.empty() || w.masks[0].added) return false;
  const auto seen = seen_by_position(w);
  return !seen || !seen->always_some(w.sizes.queries, w.sizes.keys);
}

bool is_causal(const WrittenAttention& w) {
  const auto seen = seen_by_position(w);
  return seen && seen->after && seen->always_some(w.sizes.queries, w.sizes.keys);
}

BuiltAttention::BuiltAttention(const WrittenAttention& written, bool heads_inside,
                               bool has_gradients)
    : inputs_(Inputs(written, heads_inside, has_gradients).take()) {
  const AttentionSizes& s = inputs_.sizes;
  const GraveyardRef& owner = written.values->shared_graveyard();
  const DType type = written.values->dtype, stored = stored_type(type, {s.value_width});
  const Shape rows = {s.batch, s.heads, s.queries};
  const Shape shape = ordered({s.batch, s.heads, s.queries, s.value_width}, heads_inside);
  if (!has_gradients) {
    const NodeRef result =
        make_node(owner, Op::attention, stored, shape, inputs_.operands, inputs_.attributes);
    result_ = cast(result, type);
    return;
  }
  AttentionAttr attr = inputs_.attributes;
  attr.has_statistics = true;
  const NodeRef both = make_node(owner, Op::attention, DType::u8, {}, inputs_.operands, attr);
  result_ = cast(result_of(both, stored, shape, 0), type);
  sums_ = result_of(both, DType::f32, rows, 1);
}

std::array<NodeRef, 3> BuiltAttention::gradients(const NodeRef& of_result) const {
  const AttentionSizes& s = inputs_.sizes;
  const bool heads_inside = inputs_.attributes.heads_inside;
  const DType type = result_->dtype, stored = stored_type(type, {s.width, s.value_width});
  const Narrowed narrowed = narrowed_gradient(of_result, type);
  const NodeRef gradient =
      sliced_first(shaped(narrowed.value, {s.batch, s.heads, s.queries, s.value_width}));
  const NodeRef products = elementwise(
      Op::multiply, {cast(ordered(result_, heads_inside), DType::f32), cast(gradient, DType::f32)});
  std::vector<NodeRef> operands = inputs_.operands;
  operands.insert(operands.end(), {gradient, sums_, reduce(Op::sum, products, Axes{3}, false)});
  const NodeRef all = make_node(result_->shared_graveyard(), Op::attention_gradient, DType::u8, {},
                                operands, inputs_.attributes);
  const double scales[] = {inputs_.query_scale, inputs_.key_scale, 1};
  std::array<NodeRef, 3> made;
  for (size_t i = 0; i < 3; ++i) {
    const Shape shape = ordered(inputs_.operands[i]->shape, heads_inside);
    // That of what a factor is a multiple of is greater.
    made[i] = multiple(result_of(all, stored, shape, static_cast<int64_t>(i)), 1 / scales[i]);
    if (narrowed.unit) {
      made[i] = elementwise(Op::multiply, {cast(made[i], DType::f32), narrowed.unit});
    }
  }
  return made;
}

NodeRef multiple(const NodeRef& x, double factor) {
  if (factor == 1) return x;
  const NodeRef by = constant(x->shared_graveyard(), make_scalar(DType::f32, factor), {});
  return elementwise(Op::multiply, {cast(x, DType::f32), by});
}

NodeRef shaped(NodeRef x, const Shape& shape) {
  while (x->op == Op::reshape && x->is_pending()) x = x->inputs[0];
  return reshape(x, shape);
}

}  // namespace nxv
