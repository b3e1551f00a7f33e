#include "graph/narrowed.h"

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "graph/building.h"

namespace nxv {
namespace {

using Kept = std::vector<bool>;  // by axis

// What lies deeper is taken to depend on all axes.
constexpr int kDeepest = 48;

bool is_pointwise(const Node& x) { return info(x.op).fusion == Fusion::pointwise; }

class Narrowing {
 public:
  const Kept& needed(const NodeRef& x, int depth = 0) {
    if (const auto known = needed_.find(x.get()); known != needed_.end()) return known->second;
    return needed_.emplace(x.get(), find_needed(x, depth)).first->second;
  }

  // With length 1 along the axes that are not kept; those are no needed ones.
  NodeRef narrow(const NodeRef& x, const Kept& kept) {
    Shape shape = x->shape;
    for (size_t d = 0; d < shape.size(); ++d) {
      if (!kept[d]) shape[d] = 1;
    }
    if (shape == x->shape) return x;
    const auto [known, is_new] = narrowed_.try_emplace({x.get(), kept});
    if (is_new) known->second = build(x, kept, std::move(shape));
    return known->second;
  }

 private:
  Kept find_needed(const NodeRef& x, int depth) {
    Kept all(x->shape.size());
    for (size_t d = 0; d < all.size(); ++d) all[d] = x->shape[d] != 1;
    if (x->op == Op::constant) return Kept(all.size());
    if (x->op == Op::iota && x->attribute<IotaAttr>().axis >= 0) {
      Kept one(all.size());
      one[static_cast<size_t>(x->attribute<IotaAttr>().axis)] = true;
      return one;
    }
    if (!x->is_pending() || depth == kDeepest) return all;
    if (is_pointwise(*x)) {
      Kept some(all.size());
      for (const NodeRef& input : x->inputs) {
        const Kept more = needed(input, depth + 1);
        for (size_t d = 0; d < some.size(); ++d) some[d] = some[d] || more[d];
      }
      return some;
    }
    if (x->op == Op::broadcast) {
      const Axes& axes = x->attribute<AxesAttr>().axes;
      const Kept from = needed(x->inputs[0], depth + 1);
      Kept some(all.size());
      for (size_t i = 0; i < axes.size(); ++i) some[static_cast<size_t>(axes[i])] = from[i];
      return some;
    }
    if (x->op == Op::reshape) {
      const auto axes = kept_axes(x->inputs[0]->shape, x->shape);
      if (!axes) return all;
      const Kept from = needed(x->inputs[0], depth + 1);
      Kept some(all.size());
      for (size_t i = 0; i < axes->size(); ++i) {
        if ((*axes)[i] >= 0) some[static_cast<size_t>((*axes)[i])] = from[i];
      }
      return some;
    }
    return all;
  }

  NodeRef build(const NodeRef& x, const Kept& kept, Shape shape) {
    const GraveyardRef& owner = x->shared_graveyard();
    if (x->op == Op::constant) {
      return constant(owner, x->attribute<ConstantAttr>().value, std::move(shape));
    }
    if (x->op == Op::iota) {
      return iota(owner, x->dtype, std::move(shape), x->attribute<IotaAttr>().axis);
    }
    if (is_pointwise(*x)) {
      std::vector<NodeRef> inputs;
      for (const NodeRef& input : x->inputs) inputs.push_back(narrow(input, kept));
      return building::make_pointwise(x->op, x->dtype, std::move(shape), std::move(inputs),
                                      x->attributes);
    }
    const NodeRef& input = x->inputs[0];
    Kept from(input->shape.size());
    if (x->op == Op::broadcast) {
      const Axes& axes = x->attribute<AxesAttr>().axes;
      for (size_t i = 0; i < axes.size(); ++i) from[i] = kept[static_cast<size_t>(axes[i])];
      return broadcast(narrow(input, from), std::move(shape), axes);
    }
    const auto axes = kept_axes(input->shape, x->shape);
    for (size_t i = 0; i < from.size(); ++i) {
      from[i] = (*axes)[i] >= 0 && kept[static_cast<size_t>((*axes)[i])];
    }
    return reshape(narrow(input, from), std::move(shape));
  }

  std::unordered_map<const Node*, Kept> needed_;
  std::map<std::pair<const Node*, Kept>, NodeRef> narrowed_;
};

}  // namespace

std::optional<std::vector<int>> kept_axes(const Shape& from, const Shape& to) {
  std::vector<int> axes(from.size(), -1);
  size_t next = 0;
  for (size_t d = 0; d < from.size(); ++d) {
    if (from[d] == 1) continue;
    while (next < to.size() && to[next] == 1) ++next;
    if (next == to.size() || to[next] != from[d]) return std::nullopt;
    axes[d] = static_cast<int>(next++);
  }
  return axes;
}

NodeRef narrowed(const NodeRef& x) {
  Narrowing narrowing;
  return narrowing.narrow(x, narrowing.needed(x));
}

}  // namespace nxv
