#include "schedule/cost.h"

#include <algorithm>
#include <vector>

namespace nxv::schedule {

namespace {

bool is_several(const Node& view) { return view.op == Op::concatenate && view.inputs.size() > 1; }

// A stored value or a generator, behind a few views.
bool is_read_in_passing(const Node& node) {
  constexpr int kMost = 4;
  const Node* at = &node;
  for (int i = 0; i <= kMost; ++i) {
    if (is_value(*at) || info(at->op).fusion == Fusion::generator) return true;
    if (info(at->op).fusion != Fusion::view || is_several(*at)) return false;
    at = at->inputs[0].get();
  }
  return false;
}

}  // namespace

bool is_boundary(const Node& node) {
  return info(node.op).fusion == Fusion::leaf || !node.is_pending();
}

bool is_number(const Node& node) { return node.op == Op::constant || node.op == Op::argument; }

bool is_value(const Node& node) { return is_boundary(node) || node.op == Op::result; }

bool is_cheap(const Node& node) {
  if (info(node.op).fusion == Fusion::view) return !is_several(node);
  return info(node.op).cost <= 2 &&
         std::all_of(node.inputs.begin(), node.inputs.end(),
                     [](const NodeRef& input) { return is_read_in_passing(*input); });
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
