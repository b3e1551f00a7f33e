// From a pending graph to the regions that compute it.
#pragma once

#include <span>
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
  NodeRef control;  // calls functions: neither an alias nor a region
  Region region;
};

// Steps that store each of the roots, in an order in which each finds its operands stored.
std::vector<Step> make_schedule(std::span<Node* const> roots, const Options& options);
inline std::vector<Step> make_schedule(const NodeRef& root, const Options& options) {
  Node* const node = root.get();
  return make_schedule(std::span(&node, 1), options);
}

}  // namespace nxv::schedule
