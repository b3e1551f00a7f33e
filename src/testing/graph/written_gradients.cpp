#include "testing/graph/written_gradients.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace nxv {
namespace {

NodeRef op(Op o, const NodeRef& a, const NodeRef& b) { return elementwise(o, {a, b}); }
NodeRef negated(const NodeRef& x) { return elementwise(Op::negate, {x}); }

class Gradients {
 public:
  Gradients(std::span<const NodeRef> parameters, bool maxima_are_constants)
      : maxima_are_constants_(maxima_are_constants) {
    for (const NodeRef& p : parameters) depends_.emplace(p.get(), true);
  }

  void run(const NodeRef& value, const NodeRef& gradient) {
    order(value);
    add(value, gradient);
    for (size_t i = order_.size(); i-- > 0;) {
      const auto g = gradients_.find(order_[i].get());
      if (g != gradients_.end()) differentiate(order_[i], g->second);
    }
  }
  NodeRef of(const NodeRef& parameter) const { return gradients_.at(parameter.get()); }

 private:
  // What the value is made of, with what depends on parameters marked; leaves first.
  bool order(const NodeRef& x) {
    const auto known = depends_.find(x.get());
    if (known != depends_.end()) return known->second;
    bool depends = false;
    for (const NodeRef& input : x->inputs) {
      if (order(input)) depends = true;
    }
    if (x->op == Op::reduce_max && maxima_are_constants_) depends = false;
    depends_.emplace(x.get(), depends);
    if (depends) order_.push_back(x);
    return depends;
  }

  void add(const NodeRef& x, const NodeRef& g) {
    if (!depends_.at(x.get())) return;
    const auto at = gradients_.find(x.get());
    if (at == gradients_.end()) {
      gradients_.emplace(x.get(), g);
    } else {
      at->second = op(Op::add, at->second, g);
    }
  }

  void differentiate(const NodeRef& y, const NodeRef& g) {
    const auto& in = y->inputs;
    switch (y->op) {
      case Op::cast:
        return add(in[0], g);
      case Op::negate:
        return add(in[0], negated(g));
      case Op::exp:
        return add(in[0], op(Op::multiply, g, y));
      case Op::add:
        add(in[0], g);
        return add(in[1], g);
      case Op::subtract:
        add(in[0], g);
        return add(in[1], negated(g));
      case Op::multiply:
        add(in[0], op(Op::multiply, g, in[1]));
        return add(in[1], op(Op::multiply, g, in[0]));
      case Op::divide:
        add(in[0], op(Op::divide, g, in[1]));
        return add(in[1], op(Op::multiply, g, negated(op(Op::divide, y, in[1]))));
      case Op::select: {
        const NodeRef zero = constant(y->shared_graveyard(), make_scalar(DType::f32, 0.0), {});
        add(in[1], elementwise(Op::select, {in[0], g, zero}));
        return add(in[2], elementwise(Op::select, {in[0], zero, g}));
      }
      case Op::reshape:
        return add(in[0], reshape(g, in[0]->shape));
      case Op::transpose: {
        const Axes& axes = y->attribute<AxesAttr>().axes;
        Axes back(axes.size());
        for (size_t i = 0; i < axes.size(); ++i) {
          back[static_cast<size_t>(axes[i])] = static_cast<int64_t>(i);
        }
        return add(in[0], transpose(g, back));
      }
      case Op::slice:
        return add(in[0], padded(g, *y));
      case Op::broadcast:
        return add(in[0], gathered(g, *y));
      case Op::sum:
        return add(in[0], spread(g, *y));
      case Op::reduce_max: {
        const NodeRef largest = op(Op::equal, in[0], spread(y, *y));
        const NodeRef count =
            reduce(Op::sum, cast(largest, DType::u32), y->attribute<ReduceAttr>().axes, true);
        return add(in[0], op(Op::divide, op(Op::multiply, spread(g, *y), largest), count));
      }
      case Op::dot:
        return differentiate_product(*y, g);
      default:
        throw std::invalid_argument("no gradient of this operation is written here");
    }
  }

  // [B, M, K] by [B, K, N], or without a batch.
  void differentiate_product(const Node& y, const NodeRef& g) {
    const NodeRef &a = y.inputs[0], &b = y.inputs[1];
    const bool is_batched = a->shape.size() == 3;
    const Axes batch = is_batched ? Axes{0} : Axes{};
    const int64_t rows = is_batched ? 1 : 0, columns = rows + 1;
    const Axes turned = is_batched ? Axes{0, 2, 1} : Axes{1, 0};
    add(a, dot(g, b, {{columns}, {columns}, batch, batch}));
    add(b, transpose(dot(g, a, {{rows}, {rows}, batch, batch}), turned));
  }

  static NodeRef padded(const NodeRef& g, const Node& y) {
    const auto& part = y.attribute<SliceAttr>();
    const Shape& whole = y.inputs[0]->shape;
    PadAttr amounts;
    for (size_t d = 0; d < whole.size(); ++d) {
      amounts.low.push_back(part.starts[d]);
      amounts.high.push_back(whole[d] - part.starts[d] - y.shape[d]);
      amounts.interior.push_back(0);
    }
    return pad(g, constant(g->shared_graveyard(), make_scalar(g->dtype, 0.0), {}), amounts);
  }

  // Of what was broadcast: the sums along axes that it had not, or of length 1.
  static NodeRef gathered(const NodeRef& g, const Node& y) {
    const NodeRef& x = y.inputs[0];
    const Axes& from = y.attribute<AxesAttr>().axes;
    Axes sums;
    for (int64_t d = 0; d < static_cast<int64_t>(y.shape.size()); ++d) {
      const auto at = std::find(from.begin(), from.end(), d);
      const bool is_kept =
          at != from.end() && x->shape[static_cast<size_t>(at - from.begin())] == y.shape[d];
      if (!is_kept) sums.push_back(d);
    }
    return reshape(sums.empty() ? g : reduce(Op::sum, g, sums, false), x->shape);
  }

  // Of what a reduction answered, for each element that it was of.
  static NodeRef spread(const NodeRef& g, const Node& y) {
    const Shape& shape = y.inputs[0]->shape;
    Shape kept = shape;
    for (int64_t axis : y.attribute<ReduceAttr>().axes) kept[static_cast<size_t>(axis)] = 1;
    return broadcast(reshape(g, kept), shape);
  }

  const bool maxima_are_constants_;
  std::unordered_map<const Node*, bool> depends_;
  std::vector<NodeRef> order_;
  std::unordered_map<const Node*, NodeRef> gradients_;
};

}  // namespace

std::vector<NodeRef> written_gradients(const NodeRef& value, const NodeRef& gradient,
                                       std::span<const NodeRef> parameters,
                                       bool maxima_are_constants) {
  Gradients gradients(parameters, maxima_are_constants);
  gradients.run(value, gradient);
  std::vector<NodeRef> all;
  for (const NodeRef& p : parameters) all.push_back(gradients.of(p));
  return all;
}

}  // namespace nxv
