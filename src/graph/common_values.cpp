#include "graph/common_values.h"

#include <bit>
#include <unordered_map>
#include <utility>

#include "base/digest.h"
#include "graph/attribute_words.h"
#include "graph/building.h"

namespace nxv {
namespace {

using Key = std::vector<uint64_t>;

// Known by its identity alone.
bool is_leaf(const Node& node) {
  return !node.is_pending() || node.op == Op::data || node.op == Op::parameter ||
         node.op == Op::argument;
}

class CommonValues {
 public:
  const NodeRef& of(const NodeRef& value) {
    // Postorder without recursion: chains may be long.
    std::vector<std::pair<const NodeRef*, size_t>> stack;
    const auto visit = [&](const NodeRef& node) {
      if (!canonical_.contains(node.get())) stack.emplace_back(&node, 0);
    };
    visit(value);
    while (!stack.empty()) {
      auto& [node, next] = stack.back();
      if (!is_leaf(**node) && next < (*node)->inputs.size()) {
        visit((*node)->inputs[next++]);
      } else {
        if (!canonical_.contains(node->get())) canonical_.emplace(node->get(), number(*node));
        stack.pop_back();
      }
    }
    return canonical_.at(value.get());
  }

 private:
  NodeRef number(const NodeRef& node) {
    if (is_leaf(*node)) return node;
    Key key{static_cast<uint64_t>(node->op), static_cast<uint64_t>(node->dtype),
            node->shape.size()};
    for (int64_t extent : node->shape) key.push_back(static_cast<uint64_t>(extent));
    std::vector<NodeRef> inputs;
    bool is_same = true;
    for (const NodeRef& input : node->inputs) {
      inputs.push_back(canonical_.at(input.get()));
      is_same = is_same && inputs.back().get() == input.get();
      key.push_back(std::bit_cast<uintptr_t>(inputs.back().get()));
    }
    NodeRef made = is_same ? node : building::with_inputs(*node, std::move(inputs));
    if (!append_attributes(key, node->attributes, true)) return made;
    return numbered_.emplace(std::move(key), std::move(made)).first->second;
  }

  std::unordered_map<const Node*, NodeRef> canonical_;
  std::unordered_map<Key, NodeRef, WordsHash> numbered_;
};

}  // namespace

std::vector<NodeRef> common_values(std::span<const NodeRef> values) {
  CommonValues common;
  std::vector<NodeRef> result;
  for (const NodeRef& value : values) result.push_back(common.of(value));
  return result;
}

}  // namespace nxv
