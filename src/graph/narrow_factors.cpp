#include "graph/narrow_factors.h"

#include <utility>

#include "graph/building.h"
#include "graph/rewriter.h"

namespace nxv {
namespace {

bool widens(const Node& node) {
  if (!node.is_pending() || node.op != Op::cast || node.dtype != DType::f32) return false;
  const DType from = node.inputs[0]->dtype;
  return from == DType::f16 || from == DType::bf16;
}

}  // namespace

NodeRef before_widening(const NodeRef& x) {
  std::vector<const Node*> views;  // down to the cast
  const NodeRef* node = &x;
  while ((*node)->is_pending() && info((*node)->op).fusion == Fusion::view &&
         (*node)->inputs.size() == 1) {
    views.push_back(node->get());
    node = &(*node)->inputs[0];
  }
  if (!widens(**node)) return {};
  NodeRef narrow = (*node)->inputs[0];
  for (auto view = views.rbegin(); view != views.rend(); ++view) {
    narrow = building::with_inputs(**view, {narrow});
  }
  return narrow;
}

std::vector<NodeRef> with_narrow_factors(std::span<const NodeRef> values) {
  return Rewriter([](const NodeRef& node, std::vector<NodeRef> inputs) {
           if (node->op == Op::dot && node->dtype == DType::f32) {
             for (NodeRef& input : inputs) {
               if (NodeRef narrow = before_widening(input)) input = std::move(narrow);
             }
           }
           return Rewriter::with_inputs(node, std::move(inputs));
         })
      .of(values);
}

}  // namespace nxv
