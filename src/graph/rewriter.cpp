#include "graph/rewriter.h"

#include <utility>

#include "graph/building.h"

namespace nxv {

std::vector<NodeRef> Rewriter::of(std::span<const NodeRef> values) {
  std::vector<NodeRef> result;
  for (const NodeRef& value : values) result.push_back(of(value));
  return result;
}

const NodeRef& Rewriter::of(const NodeRef& value) {
  // Postorder without recursion: chains may be long.
  std::vector<std::pair<const NodeRef*, size_t>> stack;
  const auto visit = [&](const NodeRef& node) {
    if (!known_.contains(node.get())) stack.emplace_back(&node, 0);
  };
  visit(value);
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if ((*node)->is_pending() && next < (*node)->inputs.size()) {
      visit((*node)->inputs[next++]);
    } else {
      if (!known_.contains(node->get())) known_.emplace(node->get(), made(*node));
      stack.pop_back();
    }
  }
  return known_.at(value.get());
}

NodeRef Rewriter::made(const NodeRef& node) {
  std::vector<NodeRef> inputs;
  if (node->is_pending()) {
    for (const NodeRef& input : node->inputs) inputs.push_back(known_.at(input.get()));
  }
  return made_(node, std::move(inputs));
}

NodeRef Rewriter::with_inputs(const NodeRef& node, std::vector<NodeRef> inputs) {
  bool is_same = true;
  for (size_t i = 0; i < inputs.size(); ++i) {
    is_same = is_same && inputs[i].get() == node->inputs[i].get();
  }
  return is_same ? node : building::with_inputs(*node, std::move(inputs));
}

}  // namespace nxv
