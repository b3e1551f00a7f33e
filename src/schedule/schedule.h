// From a pending graph to a schedule of items: regions, aliases and calls of functions.
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

struct Item {
  bool is_alias = false;
  Alias alias;
  NodeRef control;  // calls functions: neither an alias nor a region
  Region region;
};

// Items that store each of the roots, in an order in which each finds its operands stored.
std::vector<Item> make_schedule(std::span<Node* const> roots, const Options& options);
inline std::vector<Item> make_schedule(const NodeRef& root, const Options& options) {
  Node* const node = root.get();
  return make_schedule(std::span(&node, 1), options);
}

}  // namespace nxv::schedule
