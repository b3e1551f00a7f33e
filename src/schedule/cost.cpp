#include "schedule/cost.h"

#include <algorithm>
#include <vector>

namespace nxv::schedule {

bool is_boundary(const Node& node) {
  return info(node.op).fusion == Fusion::leaf || !node.is_pending();
}

bool is_number(const Node& node) { return node.op == Op::constant || node.op == Op::argument; }

bool is_value(const Node& node) { return is_boundary(node) || node.op == Op::result; }

bool is_cheap(const Node& node) {
  if (info(node.op).fusion == Fusion::view) {
    return node.op != Op::concatenate || node.inputs.size() == 1;
  }
  return info(node.op).cost <= 2 &&
         std::all_of(node.inputs.begin(), node.inputs.end(), [](const NodeRef& input) {
           return is_value(*input) || info(input->op).fusion == Fusion::generator ||
                  (info(input->op).fusion == Fusion::view && is_value(*input->inputs[0]));
         });
}

bool is_dear(const Node& node, const std::function<bool(const Node&)>& is_stored) {
  constexpr int kDear = 80;  // by the op table
  constexpr size_t kMost = 32;
  std::vector<const Node*> nodes = {&node};
  int cost = 0;
  for (size_t i = 0; i < nodes.size(); ++i) {
    cost += info(nodes[i]->op).cost;
    if (cost >= kDear) return true;
    for (const NodeRef& input : nodes[i]->inputs) {
      const Fusion fusion = info(input->op).fusion;
      const bool is_inside =
          !is_boundary(*input) && !is_stored(*input) &&
          (fusion == Fusion::pointwise || fusion == Fusion::generator || fusion == Fusion::view);
      if (is_inside && nodes.size() < kMost &&
          std::find(nodes.begin(), nodes.end(), input.get()) == nodes.end()) {
        nodes.push_back(input.get());
      }
    }
  }
  return false;
}

}  // namespace nxv::schedule
