#include "graph/narrow_factors.h"

#include "graph/building.h"
#include "graph/rewriter.h"

namespace nxv {
namespace {

bool widens(const Node& node) {
  if (!node.is_pending() || node.op != Op::cast || node.dtype != DType::f32) return false;
  const DType from = node.inputs[0]->dtype;
  return from == DType::f16 || from == DType::bf16;
}

NodeRef narrow(const NodeRef& factor) {
  std::vector<const Node*> views;  // from the product to the cast
  const NodeRef* node = &factor;
  while ((*node)->is_pending() && info((*node)->op).fusion == Fusion::view &&
         (*node)->inputs.size() == 1) {
    views.push_back(node->get());
    node = &(*node)->inputs[0];
  }
  if (!widens(**node)) return factor;
  NodeRef narrow = (*node)->inputs[0];
  for (auto view = views.rbegin(); view != views.rend(); ++view) {
    narrow = building::with_inputs(**view, {narrow});
  }
  return narrow;
}

}  // namespace

std::vector<NodeRef> with_narrow_factors(std::span<const NodeRef> values) {
  return Rewriter([](const NodeRef& node, std::vector<NodeRef> inputs) {
           if (node->op == Op::dot && node->dtype == DType::f32) {
             for (NodeRef& input : inputs) input = narrow(input);
           }
           return Rewriter::with_inputs(node, std::move(inputs));
         })
      .of(values);
}

}  // namespace nxv
