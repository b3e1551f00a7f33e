#include "graph/substitute.h"

#include <unordered_map>
#include <utility>

#include "graph/building.h"

namespace nxv {
std::vector<NodeRef> substitute(const Function& function, std::span<const NodeRef> arguments) {
  std::unordered_map<const Node*, NodeRef> built;
  for (size_t i = 0; i < arguments.size(); ++i) {
    built.emplace(function.parameters[i].get(), arguments[i]);
  }
  // What does not depend on a parameter stays.
  const auto find = [&](const NodeRef& node) -> NodeRef {
    if (!node->is_function) return node;
    const auto found = built.find(node.get());
    return found == built.end() ? NodeRef() : found->second;
  };
  for (const NodeRef& result : function.results) {
    std::vector<std::pair<const Node*, size_t>> stack;  // a node, its next input
    if (!find(result)) stack.emplace_back(result.get(), 0);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (next < node->inputs.size()) {
        const NodeRef& input = node->inputs[next++];
        if (!find(input)) stack.emplace_back(input.get(), 0);
        continue;
      }
      std::vector<NodeRef> inputs;
      for (const NodeRef& input : node->inputs) inputs.push_back(find(input));
      built.emplace(node, building::with_inputs(*node, std::move(inputs)));
      stack.pop_back();
    }
  }
  std::vector<NodeRef> results;
  for (const NodeRef& result : function.results) results.push_back(find(result));
  return results;
}

}  // namespace nxv
