#include "graph/scalar_function.h"

#include <algorithm>
#include <string>

namespace nxv {
namespace {

[[noreturn]] void refuse(const Node& node, const std::string& why) {
  throw Error(Status::invalid_argument, "function: " + std::string(name(node.op)) + " of type " +
                                            std::string(name(node.dtype)) + to_string(node.shape) +
                                            " " + why);
}

// Views that leave the one element where it is.
bool keeps_element(Op op) {
  return op == Op::reshape || op == Op::broadcast || op == Op::transpose || op == Op::reverse ||
         op == Op::slice;
}

void check(const Node& node, const std::vector<NodeRef>& parameters) {
  node.throw_if_unreadable();
  if (node.count != 1) refuse(node, "is not a scalar: functions compute one element at a time");
  if (node.op == Op::parameter) {
    const bool own = std::any_of(parameters.begin(), parameters.end(),
                                 [&](const NodeRef& p) { return p.get() == &node; });
    if (!own) refuse(node, "is no parameter of this function");
    return;
  }
  if (node.is_function && info(node.op).fusion != Fusion::pointwise && !keeps_element(node.op)) {
    refuse(node, "cannot be computed inside of a function: use elementwise operations");
  }
}

}  // namespace

FunctionBody function_body(const NodeRef& result, const std::vector<NodeRef>& parameters) {
  FunctionBody body;
  body.result = result.get();
  const auto is_known = [&](const Node* node) {
    return std::find(body.nodes.begin(), body.nodes.end(), node) != body.nodes.end() ||
           std::find(body.captured.begin(), body.captured.end(), node) != body.captured.end();
  };
  // Postorder; only nodes that depend on a parameter are sure to keep their inputs.
  std::vector<std::pair<const Node*, size_t>> stack{{body.result, 0}};
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if (next == 0) check(*node, parameters);
    if (node->is_function && next < node->inputs.size()) {
      const Node* input = node->inputs[next++].get();
      if (!is_known(input)) stack.emplace_back(input, 0);
      continue;
    }
    const bool inside = node->is_function || node->op == Op::constant;
    if (!is_known(node)) (inside ? body.nodes : body.captured).push_back(node);
    stack.pop_back();
  }
  return body;
}

}  // namespace nxv
