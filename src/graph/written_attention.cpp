#include "graph/written_attention.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "graph/build.h"
#include "graph/building.h"

namespace nxv {
namespace {

constexpr int kDeepest = 64;       // nodes of a path
constexpr int kDeepestNumber = 8;  // of a tree of constants

int64_t last_of(const Shape& shape) { return shape.empty() ? 1 : shape.back(); }

// Reads the nodes between a product of weights and values and that of queries and keys, from the
// former to the latter.
class Reading {
 public:
  std::optional<WrittenAttention> read(const Node& product) {
    if (product.op != Op::dot || !product.is_pending() || !is_factor_type(product.dtype)) return {};
    const NodeRef &weights = product.inputs[0], &values = product.inputs[1];
    w_.values = values;
    if (weights->dtype != values->dtype || product.dtype != values->dtype) return {};
    rows_ = weights->count / last_of(weights->shape);
    keys_ = last_of(weights->shape);
    const NodeRef scores = softmax(weights);
    if (!scores) return {};
    if (!read_scores(scores, weights->shape) || !set_sizes()) return {};
    return std::move(w_);
  }

 private:
  // Elements are the same, up to rounding, in the same order.
  NodeRef same(NodeRef x) {
    while (x->is_pending() && is_factor_type(x->dtype)) {
      const bool is_cast = x->op == Op::cast && is_factor_type(x->inputs[0]->dtype);
      if (!is_cast && x->op != Op::reshape) break;
      w_.inner.insert(x.get());
      x = x->inputs[0];
    }
    return x;
  }
  bool enter(const NodeRef& x, Op op) {
    if (x->op != op || !x->is_pending() || !is_factor_type(x->dtype)) return false;
    w_.inner.insert(x.get());
    return true;
  }

  // What is broadcast along rows of such a shape.
  NodeRef of_rows(const NodeRef& x) {
    if (!enter(x, Op::broadcast)) return {};
    return spreads_rows(*x, keys_) ? same(x->inputs[0]) : NodeRef();
  }
  // What is reduced along rows.
  NodeRef reduced(const NodeRef& x, Op op) {
    if (!x || !enter(x, op)) return {};
    return reduces_rows(*x, keys_) ? same(x->inputs[0]) : NodeRef();
  }
  bool sums_powers(const NodeRef& sums, const NodeRef& powers) {
    w_.powers = powers.get();
    w_.sums = sums.get();
    return reduced(sums, Op::sum).get() == powers.get();
  }

  // The scores of weights.
  NodeRef softmax(const NodeRef& weights) {
    const NodeRef ratio = same(weights);
    const NodeRef powers = divided_by_sums(ratio);
    if (!powers || !enter(powers, Op::exp)) return {};
    w_.scores = powers->shape;
    const NodeRef shifted = same(powers->inputs[0]);
    if (shifted->op == Op::subtract && shifted->is_pending()) {
      const NodeRef scores = same(shifted->inputs[0]);
      const NodeRef maxima = of_rows(shifted->inputs[1]);
      if (!enter(shifted, Op::subtract)) return {};
      w_.maxima = maxima.get();
      if (reduced(maxima, Op::reduce_max).get() != scores.get()) return {};
      return scores;
    }
    return shifted;
  }

  NodeRef divided_by_sums(const NodeRef& ratio) {
    if (enter(ratio, Op::divide)) {
      const NodeRef powers = same(ratio->inputs[0]);
      return sums_powers(of_rows(ratio->inputs[1]), powers) ? powers : NodeRef();
    }
    if (!enter(ratio, Op::multiply)) return {};
    for (size_t i : {size_t{0}, size_t{1}}) {
      if (ratio->inputs[i]->op != Op::broadcast) continue;
      const NodeRef reciprocal = of_rows(ratio->inputs[i]);
      if (!reciprocal || !enter(reciprocal, Op::divide)) return {};
      const NodeRef powers = same(ratio->inputs[1 - i]);
      const bool is_one = constant_number(*reciprocal->inputs[0]) == 1.0;
      const NodeRef sums = same(reciprocal->inputs[1]);
      return is_one && sums_powers(sums, powers) ? powers : NodeRef();
    }
    return {};
  }

  // Down to the product of queries and keys.
  bool read_scores(NodeRef x, const Shape& product) {
    for (int i = 0; i < kDeepest; ++i) {
      x = same(x);
      if (!x->is_pending() || !is_factor_type(x->dtype) || last_of(x->shape) != keys_) return false;
      if (x->op == Op::dot) {
        w_.inner.insert(x.get());
        w_.queries = x->inputs[0];
        w_.keys = x->inputs[1];
        if (w_.biases.size() == 1 && w_.masks.empty() && add_mask_of(w_.biases[0])) {
          w_.biases.clear();
        }
        return x->shape == product && w_.queries->dtype == w_.values->dtype &&
               w_.keys->dtype == w_.values->dtype;
      }
      const NodeRef next = x->op == Op::select ? read_mask(x)
                           : x->op == Op::add  ? read_bias(x)
                                               : read_scale(x);
      if (!next) return false;
      w_.inner.insert(x.get());
      x = next;
    }
    return false;
  }

  // Scores, of which a constant takes the place where they are not seen.
  NodeRef read_mask(const NodeRef& x) {
    for (size_t seen : {size_t{1}, size_t{2}}) {
      const auto otherwise = constant_number(*x->inputs[3 - seen]);
      if (!otherwise) continue;
      const double masked = *otherwise * w_.scale;
      // A bias that was added later would be added to what takes the place, too.
      if (!w_.biases.empty() || std::isnan(masked)) return {};
      if (!w_.masks.empty() && w_.masked != masked) return {};
      add_mask({x->inputs[0], seen == 1}, masked);
      return x->inputs[seen];
    }
    return {};
  }
  void add_mask(WrittenAttention::Mask mask, double masked) {
    w_.masks.push_back(std::move(mask));
    w_.masked = masked;
  }

  NodeRef read_bias(const NodeRef& x) {
    if (w_.scale != 1) return {};
    // Scores are what leads to a product.
    const size_t scores = leads_to_product(x->inputs[0]) ? 0 : 1;
    const NodeRef& bias = x->inputs[1 - scores];
    if (!is_factor_type(bias->dtype) || leads_to_product(bias)) return {};
    w_.biases.push_back(bias);
    return x->inputs[scores];
  }
  // Of the only bias, 0 where scores are seen and elsewhere so low that nothing is left of them.
  bool add_mask_of(const NodeRef& bias) {
    NodeRef select = bias;
    for (int i = 0; i < kDeepest && select->is_pending(); ++i) {
      const bool is_view = select->op == Op::broadcast || select->op == Op::cast;
      if (!is_view) break;
      select = select->inputs[0];
    }
    if (select->op != Op::select || !select->is_pending()) return false;
    for (size_t seen : {size_t{1}, size_t{2}}) {
      const auto zero = constant_number(*select->inputs[seen]);
      const auto low = constant_number(*select->inputs[3 - seen]);
      if (!zero || !low || *zero != 0 || !(*low <= kLowBias)) continue;
      add_mask({spread_as(bias, select, select->inputs[0]), seen == 1, bias}, *low);
      return true;
    }
    return false;
  }
  // `x` in place of `from`, which `to` is of by broadcasts and casts.
  NodeRef spread_as(const NodeRef& to, const NodeRef& from, const NodeRef& x) {
    if (to.get() == from.get()) return x;
    const NodeRef inner = spread_as(to->inputs[0], from, x);
    if (to->op == Op::cast) return inner;
    return broadcast(inner, to->shape, to->attribute<AxesAttr>().axes);
  }
  // Through what scales, masks and biases scores, as they are followed.
  bool leads_to_product(NodeRef x) const {
    for (int i = 0; i < kDeepest && x->is_pending(); ++i) {
      switch (x->op) {
        case Op::dot:
          return x->count == rows_ * keys_ && last_of(x->shape) == keys_;
        case Op::cast:
        case Op::reshape:
          x = x->inputs[0];
          break;
        case Op::multiply:
        case Op::divide:
        case Op::add:
          x = constant_number(*x->inputs[0]) ? x->inputs[1] : x->inputs[0];
          break;
        case Op::select:
          x = constant_number(*x->inputs[1]) ? x->inputs[2] : x->inputs[1];
          break;
        default:
          return false;
      }
    }
    return false;
  }

  NodeRef read_scale(const NodeRef& x) {
    if (x->op != Op::multiply && x->op != Op::divide) return {};
    if (const auto factor = constant_number(*x->inputs[1])) {
      return scale(x->op == Op::divide ? 1 / *factor : *factor) ? x->inputs[0] : NodeRef();
    }
    if (x->op == Op::divide) return {};
    const auto factor = constant_number(*x->inputs[0]);
    return factor && scale(*factor) ? x->inputs[1] : NodeRef();
  }
  bool scale(double factor) {
    w_.scale *= factor;
    return std::isfinite(factor);
  }

  // Rows of scores by batch and head. The last axis but one is that of queries; where the product
  // has more rows for a head of keys, several heads share it.
  bool set_sizes() {
    const Shape& scores = w_.scores;
    const size_t rank = scores.size();
    if (rank < 2 || scores.back() != keys_) return false;
    AttentionSizes& s = w_.sizes;
    const Shape &q = w_.queries->shape, &v = w_.values->shape;
    const int64_t products = q.size() == 3 ? q[0] : 1;
    const int64_t rows = q[q.size() - 2];
    s.batch = rank == 2 ? 1 : scores[0];
    s.queries = scores[rank - 2];
    s.keys = keys_;
    s.width = q.back();
    s.value_width = v.back();
    if (rows % s.queries != 0 || products % s.batch != 0) return false;
    s.kv_heads = products / s.batch;
    s.heads = s.kv_heads * (rows / s.queries);
    return s.batch * s.heads * s.queries == rows_ && std::max(s.width, s.value_width) <= 256;
  }

  // A bias of this or less leaves nothing of a score.
  static constexpr double kLowBias = -1e9;

  WrittenAttention w_;
  int64_t rows_ = 0, keys_ = 0;
};

std::optional<double> number_of(const Node& x, int depth) {
  if (x.op == Op::constant && !is_complex(x.dtype)) {
    return to_double(x.attribute<ConstantAttr>().value);
  }
  if (depth == kDeepestNumber || !x.is_pending()) return {};
  const auto input = [&](size_t i) { return number_of(*x.inputs[i], depth + 1); };
  switch (x.op) {
    case Op::reshape:
    case Op::broadcast:
      return input(0);
    case Op::cast:
      return is_factor_type(x.dtype) ? input(0) : std::nullopt;
    case Op::sqrt:
    case Op::rsqrt: {
      const auto v = input(0);
      if (!v) return {};
      return x.op == Op::sqrt ? std::sqrt(*v) : 1 / std::sqrt(*v);
    }
    case Op::divide: {
      const auto a = input(0), b = a ? input(1) : a;
      return b ? std::optional(*a / *b) : std::nullopt;
    }
    default:
      return {};
  }
}

}  // namespace

std::optional<WrittenAttention> written_attention(const Node& product) {
  return Reading().read(product);
}

bool is_factor_type(DType t) { return t == DType::f16 || t == DType::bf16 || t == DType::f32; }

bool spreads_rows(const Node& broadcast, int64_t columns) {
  const NodeRef& number = broadcast.inputs[0];
  if (last_of(broadcast.shape) != columns || number->count * columns != broadcast.count) {
    return false;
  }
  // All axes but the last then step through the rows.
  const Axes& axes = broadcast.attribute<AxesAttr>().axes;
  const auto last = static_cast<int64_t>(broadcast.shape.size()) - 1;
  return axes.empty() || axes.back() != last || number->shape.back() == 1;
}

bool reduces_rows(const Node& reduction, int64_t columns) {
  const Shape& shape = reduction.inputs[0]->shape;
  const auto last = static_cast<int64_t>(shape.size()) - 1;
  return reduction.attribute<ReduceAttr>().axes == Axes{last} && shape.back() == columns;
}

std::optional<double> constant_number(const Node& x) { return number_of(x, 0); }

NodeRef unscaled(const NodeRef& x, double& scale) {
  std::vector<NodeRef> views;  // from x on
  NodeRef at = x, base = x;
  size_t views_of_base = 0;
  for (int i = 0; i < kDeepest && at->is_pending(); ++i) {
    if (at->op == Op::reshape || at->op == Op::transpose) {
      views.push_back(at);
      at = at->inputs[0];
      continue;
    }
    if (at->op != Op::multiply && at->op != Op::divide) break;
    size_t scaled = 0;
    auto factor = constant_number(*at->inputs[1]);
    if (!factor && at->op == Op::multiply) {
      factor = constant_number(*at->inputs[0]);
      scaled = 1;
    }
    if (!factor || at->inputs[scaled]->dtype != at->dtype) break;
    const double by = at->op == Op::divide ? 1 / *factor : *factor;
    if (!std::isfinite(by)) break;
    scale *= by;
    at = base = at->inputs[scaled];
    views_of_base = views.size();
  }
  for (size_t v = views_of_base; v-- > 0;) base = building::with_inputs(*views[v], {base});
  return base;
}

}  // namespace nxv
