// Graphs written anew from the inputs up.
#pragma once

#include <functional>
#include <span>
#include <unordered_map>
#include <vector>

#include "graph/node.h"

namespace nxv {

// Calls `made` once for each node at and below the values, after its inputs, with what stands for
// them: the answer stands for the node. Follows pending nodes: the engine's thread only.
class Rewriter {
 public:
  using Made = std::function<NodeRef(const NodeRef& node, std::vector<NodeRef> inputs)>;
  explicit Rewriter(Made made) : made_(std::move(made)) {}

  std::vector<NodeRef> of(std::span<const NodeRef> values);

  // What the node is of these inputs, of the same types and shapes: itself where they are its own.
  static NodeRef with_inputs(const NodeRef& node, std::vector<NodeRef> inputs);

 private:
  const NodeRef& of(const NodeRef& value);
  NodeRef made(const NodeRef& node);

  const Made made_;
  std::unordered_map<const Node*, NodeRef> known_;
};

}  // namespace nxv
