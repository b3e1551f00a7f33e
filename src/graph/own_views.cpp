#include "graph/own_views.h"

#include <unordered_map>
#include <utility>

#include "graph/attention.h"
#include "graph/building.h"

namespace nxv {
namespace {

constexpr int kDeepest = 64;

class OwnViews {
 public:
  const NodeRef& of(const NodeRef& value) {
    // Postorder without recursion: chains may be long.
    std::vector<std::pair<NodeRef, size_t>> stack;
    const auto visit = [&](const NodeRef& node) {
      if (!made_.contains(node.get())) stack.emplace_back(node, 0);
    };
    visit(value);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (node->is_pending() && next < node->inputs.size()) {
        visit(node->inputs[next++]);
        continue;
      }
      const NodeRef at = node;
      stack.pop_back();
      if (!made_.contains(at.get())) made_.emplace(at.get(), made(at));
    }
    return made_.at(value.get());
  }

 private:
  NodeRef made(const NodeRef& node) const {
    if (!node->is_pending()) return node;
    bool is_same = true;
    std::vector<NodeRef> inputs;
    for (const NodeRef& input : node->inputs) {
      const NodeRef& x = made_.at(input.get());
      inputs.push_back(reads_strided(node->op) ? copy(x) : x);
      is_same = is_same && inputs.back().get() == input.get();
    }
    return is_same ? node : building::with_inputs(*node, std::move(inputs));
  }

  static NodeRef copy(const NodeRef& x, int depth = 0) {
    const bool is_view = x->op == Op::reshape || x->op == Op::transpose || x->op == Op::slice ||
                         x->op == Op::broadcast;
    if (!is_view || !x->is_pending() || depth == kDeepest) return x;
    return building::with_inputs(*x, {copy(x->inputs[0], depth + 1)});
  }

  std::unordered_map<const Node*, NodeRef> made_;
};

}  // namespace

std::vector<NodeRef> with_own_views(std::span<const NodeRef> values) {
  OwnViews own;
  std::vector<NodeRef> result;
  for (const NodeRef& value : values) result.push_back(own.of(value));
  return result;
}

}  // namespace nxv
