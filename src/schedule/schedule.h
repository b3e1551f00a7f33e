// From a pending graph to the regions that compute it.
#pragma once

#include <vector>

#include "graph/region.h"
#include "schedule/partition.h"

namespace nxv::schedule {

// A value that shares the storage of another: a reshape of something stored.
struct Alias {
  NodeRef node;
  NodeRef source;
};

struct Step {
  bool is_alias = false;
  Alias alias;
  Region region;
};

// Steps in an order in which each finds its operands stored. `root` must be pending.
std::vector<Step> make_schedule(const NodeRef& root, const Options& options);

}  // namespace nxv::schedule
