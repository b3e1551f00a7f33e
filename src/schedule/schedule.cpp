#include "schedule/schedule.h"

#include "schedule/region_builder.h"

namespace nxv::schedule {

std::vector<Step> make_schedule(std::span<Node* const> roots, const Options& options) {
  const Partition parts = partition(roots, options);
  std::vector<Step> steps;
  steps.reserve(parts.cuts.size());
  try {
    // Cuts list readers before what they read.
    for (int cut = static_cast<int>(parts.cuts.size()) - 1; cut >= 0; --cut) {
      const Entry& entry = parts.entries[parts.cuts[cut].root];
      Step& step = steps.emplace_back();
      if (entry.is_alias) {
        step.is_alias = true;
        step.alias = {NodeRef::share(entry.node), entry.node->inputs[0]};
      } else if (info(entry.node->op).fusion == Fusion::control) {
        step.control = NodeRef::share(entry.node);
      } else {
        step.region = build_region(parts, cut);
      }
    }
  } catch (...) {
    release(parts);
    throw;
  }
  release(parts);
  return steps;
}

}  // namespace nxv::schedule
