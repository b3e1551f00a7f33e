#include "schedule/schedule.h"

#include "schedule/region_builder.h"

namespace nxv::schedule {

std::vector<Step> make_schedule(std::span<Node* const> roots, const Options& options) {
  const Partition cut = partition(roots, options);
  std::vector<Step> steps;
  steps.reserve(cut.order.size());
  try {
    for (int part : cut.order) {
      const Entry& entry = cut.entries[cut.parts[part].roots[0].entry];
      Step& step = steps.emplace_back();
      if (entry.is_alias) {
        step.is_alias = true;
        step.alias = {NodeRef::share(entry.node), entry.node->inputs[0]};
      } else if (info(entry.node->op).fusion == Fusion::control) {
        step.control = NodeRef::share(entry.node);
      } else {
        step.region = build_region(cut, part);
      }
    }
  } catch (...) {
    release(cut);
    throw;
  }
  release(cut);
  return steps;
}

}  // namespace nxv::schedule
