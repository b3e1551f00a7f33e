#include "schedule/schedule.h"

#include "schedule/region_builder.h"

namespace nxv::schedule {

std::vector<Item> make_schedule(std::span<Node* const> roots, const Options& options) {
  const Partition cut = partition(roots, options);
  std::vector<Item> items;
  items.reserve(cut.order.size());
  for (int part : cut.order) {
    const Entry& entry = cut.entries[cut.parts[part].roots[0].entry];
    Item& item = items.emplace_back();
    if (entry.is_alias) {
      item.is_alias = true;
      item.alias = {NodeRef::share(entry.node), entry.node->inputs[0]};
    } else if (info(entry.node->op).fusion == Fusion::control) {
      item.control = NodeRef::share(entry.node);
    } else {
      item.region = build_region(cut, part);
    }
  }
  return items;
}

}  // namespace nxv::schedule
