#include "graph/written_gradient.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "graph/build.h"
#include "graph/matrix_view.h"
#include "graph/softmax_terms.h"

namespace nxv {
namespace {

constexpr size_t kMostNodes = 256;  // inside
constexpr int kDeepest = 64;
constexpr size_t kMostMasks = 32;

bool is_read_through(Op op) {
  switch (op) {
    case Op::cast:
    case Op::reshape:
    case Op::transpose:
    case Op::broadcast:
    case Op::negate:
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::select:
    case Op::equal:
    case Op::sum:
      return true;
    default:
      return false;
  }
}

NodeRef without_reshapes(NodeRef x) {
  while (x->op == Op::reshape && x->is_pending()) x = x->inputs[0];
  return x;
}

NodeRef transposed(const NodeRef& x) {
  const auto rank = static_cast<int64_t>(x->shape.size());
  return rank == 2 ? transpose(x, {1, 0}) : transpose(x, {0, 2, 1});
}

class GradientReading {
 public:
  GradientReading(const Node& product, const WrittenAttention& attention, const ReadersOf& readers)
      : product_(product),
        w_(attention),
        readers_(readers),
        weights_(product.inputs[0]->shape),
        keys_(w_.sizes.keys),
        scores_(product.inputs[0]->count) {}

  std::optional<WrittenGradient> read() {
    const auto q = matrix_view(w_.queries), k = matrix_view(w_.keys), v = matrix_view(w_.values);
    if (!q || !k || !v || keys_ == 1 || w_.masks.size() > kMostMasks) return {};
    q_ = *q;
    k_ = *k;
    v_ = *v;
    if (!read_upwards() || reads_inside()) return {};
    for (const Node* sink : sinks_) {
      if (!read_product(*sink)) return {};
    }
    if (!g_.result) return {};
    const auto result = matrix_view(g_.result);
    for (const MatrixView& other : results_) {
      if (!(result == other)) return {};
    }
    for (const Node* x : above_) g_.inner.insert(x);
    return std::move(g_);
  }

 private:
  // Of a node: terms, or marks at the largest scores of a row, or how many of these there are.
  enum class Kind : uint8_t { terms, marks, counts };
  struct Value {
    SoftmaxTerms terms;
    Kind kind = Kind::terms;
    bool is_terms() const { return kind == Kind::terms; }
  };
  using MaybeValue = std::optional<Value>;

  bool is_inside(const Node* x) const { return w_.inner.contains(x) || above_.contains(x); }

  // All that reads what is inside, up to products.
  bool read_upwards() {
    std::vector<const Node*> stack(w_.inner.begin(), w_.inner.end());
    while (!stack.empty()) {
      const Node* x = stack.back();
      stack.pop_back();
      for (const Node* reader : readers_(*x)) {
        if (reader == &product_ || is_inside(reader)) continue;
        if (reader->op == Op::dot) {
          sinks_.insert(reader);
          continue;
        }
        if (!is_read_through(reader->op) || above_.size() == kMostNodes) return false;
        above_.insert(reader);
        stack.push_back(reader);
      }
    }
    return true;
  }

  // Whether the attention's operands are made of its scores.
  bool reads_inside() const {
    const auto is_above = [&](const NodeRef& x) { return above_.contains(x.get()); };
    return is_above(w_.queries) || is_above(w_.keys) || is_above(w_.values) ||
           std::any_of(w_.biases.begin(), w_.biases.end(), is_above) ||
           std::any_of(w_.masks.begin(), w_.masks.end(),
                       [&](const auto& mask) { return is_above(mask.condition); });
  }

  // ---- Products

  bool read_product(const Node& sink) {
    for (size_t side : {size_t{0}, size_t{1}}) {
      const auto view = matrix_view(sink.inputs[side]);
      if (!view || !is_inside(view->base.get())) continue;
      const bool is_in_order = sink.inputs[side]->shape == weights_ && view->is_in_order();
      const MatrixView turned = view->transposed();
      if (!is_in_order &&
          !(swapped(weights_) == sink.inputs[side]->shape && turned.is_in_order())) {
        return false;
      }
      const MaybeValue inside = value(view->base);
      const auto other = matrix_view(sink.inputs[1 - side]);
      return inside && inside->is_terms() && other && !is_inside(other->base.get()) &&
             add_product(sink, side, is_in_order, inside->terms, *other);
    }
    return false;
  }

  bool add_product(const Node& sink, size_t side, bool is_in_order, const SoftmaxTerms& terms,
                   const MatrixView& other) {
    const bool is_left = side == 0;
    // Sums go over the rows of scores where the left factor is transposed or the right one is not.
    const bool is_over_rows = is_left != is_in_order;
    const MatrixView factor = is_left ? other : other.transposed();
    if (const auto weights = terms.as_weights()) {
      if (!is_over_rows) return false;
      results_.push_back(factor);
      const NodeRef& gradient = sink.inputs[1 - side];
      if (!g_.result) g_.result = is_left ? gradient : transposed(gradient);
      g_.products.push_back({&sink, WrittenGradient::values, !is_left, *weights});
      return true;
    }
    const auto scores = terms.as_gradient(selected_masks());
    if (!scores || !(factor == (is_over_rows ? q_ : k_.transposed()))) return false;
    const auto of = is_over_rows ? WrittenGradient::keys : WrittenGradient::queries;
    g_.products.push_back({&sink, of, !is_left, *scores / w_.scale});
    return true;
  }

  // Biases that hide scores have a slope.
  uint32_t selected_masks() const {
    uint32_t all = 0;
    for (size_t i = 0; i < w_.masks.size(); ++i) {
      if (!w_.masks[i].added) all |= uint32_t{1} << i;
    }
    return all;
  }

  static Shape swapped(Shape shape) {
    std::swap(shape[shape.size() - 1], shape[shape.size() - 2]);
    return shape;
  }

  // ---- Values

  MaybeValue value(const NodeRef& x) {
    const auto known = values_.find(x.get());
    if (known != values_.end()) return known->second;
    MaybeValue made = is_inside(x.get()) ? value_inside(*x) : value_outside(x);
    values_.emplace(x.get(), made);
    return made;
  }

  static MaybeValue of_terms(std::optional<SoftmaxTerms> terms) {
    return terms ? MaybeValue(Value{std::move(*terms)}) : MaybeValue();
  }

  // Numbers, and the gradient of the weights.
  MaybeValue value_outside(const NodeRef& x) {
    if (const auto number = constant_number(*x)) return Value{SoftmaxTerms::number(*number)};
    std::vector<const Node*> path;
    NodeRef at = x;
    while (at->is_pending() && (at->op == Op::reshape || at->op == Op::cast)) {
      if (path.size() == kDeepest) return {};
      path.push_back(at.get());
      at = at->inputs[0];
    }
    if (!is_gradient_of_weights(at)) return {};
    g_.inner.insert(at.get());
    g_.inner.insert(path.begin(), path.end());
    return Value{SoftmaxTerms({0, 0, SoftmaxTerms::Of::gradient, 0, 1})};
  }

  bool is_gradient_of_weights(const NodeRef& x) {
    const bool is_product = x->op == Op::dot && x->is_pending() && is_factor_type(x->dtype);
    if (!is_product || x->shape != weights_) return false;
    if (of_weights_) return x.get() == of_weights_;
    const auto result = matrix_view(x->inputs[0]), values = matrix_view(x->inputs[1]);
    if (!result || !values || !(values->transposed() == v_)) return false;
    of_weights_ = x.get();
    g_.result = x->inputs[0];
    results_.push_back(*result);
    return true;
  }

  MaybeValue value_inside(const Node& x) {
    if (&x == w_.powers) return of_terms(SoftmaxTerms({1, 0, SoftmaxTerms::Of::one, 0, 1}));
    if (&x == w_.sums) return of_terms(SoftmaxTerms({0, 1, SoftmaxTerms::Of::one, 0, 1}));
    if (x.op == Op::equal)
      return finds_maxima(x) ? MaybeValue(Value{{}, Kind::marks}) : MaybeValue();
    if (!is_read_through(x.op) || x.op == Op::transpose) return {};
    MaybeValue made = x.op == Op::select ? selected(x) : computed(x);
    return made && (!made->is_terms() || is_factor_type(x.dtype)) ? made : MaybeValue();
  }

  // Whether it compares scores with the largest of their rows, of which there is one at least.
  bool finds_maxima(const Node& x) const {
    if (!w_.maxima) return false;
    const auto stripped = [](const NodeRef& from, bool spreads) {
      const Node* at = from.get();
      while (at->is_pending() && (at->op == Op::reshape || at->op == Op::cast ||
                                  (spreads && at->op == Op::broadcast))) {
        at = at->inputs[0].get();
      }
      return at;
    };
    const Node* scores = stripped(w_.maxima->inputs[0], false);
    return stripped(x.inputs[1], true) == w_.maxima && stripped(x.inputs[0], false) == scores;
  }

  MaybeValue computed(const Node& x) {
    const MaybeValue a = value(x.inputs[0]);
    if (!a) return {};
    switch (x.op) {
      case Op::cast:
      case Op::reshape:
        return a;
      case Op::broadcast:
        return is_spread_row(x, *a) ? a : MaybeValue();
      case Op::negate:
        return a->is_terms() ? Value{a->terms.times(-1)} : MaybeValue();
      case Op::sum:
        if (!reduces_rows(x, keys_) || x.inputs[0]->count != scores_) return {};
        if (a->kind == Kind::marks) return Value{{}, Kind::counts};
        return a->is_terms() ? of_terms(a->terms.row_sums(keys_)) : MaybeValue();
      default:
        return combined(x.op, *a, x.inputs[1]);
    }
  }

  bool is_spread_row(const Node& x, const Value& row) const {
    if (x.count == x.inputs[0]->count) return true;
    if (x.count != scores_ || !spreads_rows(x, keys_)) return false;
    return row.is_terms() ? row.terms.is_of_rows() : row.kind == Kind::counts;
  }

  MaybeValue combined(Op op, const Value& a, const NodeRef& second) {
    const MaybeValue b = value(second);
    if (!b) return {};
    if (!a.is_terms()) return {};
    if (!b->is_terms()) {
      // What cancels is spread over the largest scores, however many these are.
      const Op spreads = b->kind == Kind::marks ? Op::multiply : Op::divide;
      return op == spreads && a.terms.is_zero() ? MaybeValue(a) : MaybeValue();
    }
    switch (op) {
      case Op::add:
        return Value{a.terms.plus(b->terms)};
      case Op::subtract:
        return Value{a.terms.plus(b->terms.times(-1))};
      case Op::multiply:
        return of_terms(a.terms.times(b->terms));
      default:
        return of_terms(a.terms.over(b->terms));
    }
  }

  // What a mask hides is 0.
  MaybeValue selected(const Node& x) {
    const NodeRef condition = without_reshapes(x.inputs[0]);
    for (size_t i = 0; i < w_.masks.size(); ++i) {
      const auto& mask = w_.masks[i];
      const size_t seen = mask.is_seen ? 1 : 2;
      if (without_reshapes(mask.condition).get() != condition.get()) continue;
      if (constant_number(*x.inputs[3 - seen]) != 0.0) return {};
      const MaybeValue shown = value(x.inputs[seen]);
      if (!shown || !shown->is_terms()) return {};
      return Value{shown->terms.masked(static_cast<int>(i))};
    }
    return {};
  }

  const Node& product_;
  const WrittenAttention& w_;
  const ReadersOf& readers_;
  const Shape weights_;
  const int64_t keys_, scores_;  // how many
  MatrixView q_, k_, v_;
  std::unordered_set<const Node*> above_, sinks_;
  std::unordered_map<const Node*, MaybeValue> values_;
  const Node* of_weights_ = nullptr;  // their gradient
  std::vector<MatrixView> results_;   // gradients of the result
  WrittenGradient g_;
};

}  // namespace

std::optional<WrittenGradient> written_gradient(const Node& product,
                                                const WrittenAttention& attention,
                                                const ReadersOf& readers) {
  return GradientReading(product, attention, readers).read();
}

}  // namespace nxv
