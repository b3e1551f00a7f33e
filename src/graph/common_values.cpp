#include "graph/common_values.h"

#include <bit>
#include <unordered_map>
#include <utility>

#include "base/digest.h"
#include "graph/attribute_words.h"
#include "graph/rewriter.h"

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
  NodeRef number(const NodeRef& node, std::vector<NodeRef> inputs) {
    if (is_leaf(*node)) return node;
    Key key{static_cast<uint64_t>(node->op), static_cast<uint64_t>(node->dtype),
            node->shape.size()};
    for (int64_t extent : node->shape) key.push_back(static_cast<uint64_t>(extent));
    for (const NodeRef& input : inputs) key.push_back(std::bit_cast<uintptr_t>(input.get()));
    NodeRef made = Rewriter::with_inputs(node, std::move(inputs));
    if (!append_attributes(key, node->attributes, true)) return made;
    return numbered_.emplace(std::move(key), std::move(made)).first->second;
  }

 private:
  std::unordered_map<Key, NodeRef, WordsHash> numbered_;
};

}  // namespace

std::vector<NodeRef> common_values(std::span<const NodeRef> values) {
  CommonValues common;
  return Rewriter([&](const NodeRef& node, std::vector<NodeRef> inputs) {
           return common.number(node, std::move(inputs));
         })
      .of(values);
}

}  // namespace nxv
