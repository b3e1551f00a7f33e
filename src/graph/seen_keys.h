// Masks of attention that are comparisons of positions.
#pragma once

#include <optional>

#include "graph/node.h"

namespace nxv {

// Which keys each query sees: all conditions that there are hold, and nothing else is asked.
struct SeenKeys {
  std::optional<int64_t> after;   // key <= query + after
  std::optional<int64_t> before;  // key >= query - before
  NodeRef last;                   // an integer of one element: key <= last + last_offset
  int64_t last_offset = 0;

  // Whether no bound depends on data, and every query sees a key.
  bool always_some(int64_t queries, int64_t keys) const;
};

// What a mask {..., queries, keys} says, true where a query sees a key; nothing where it is more
// than comparisons of iotas along the last two axes, with constants and one integer added, and
// conjunctions of such. Follows pending nodes: the engine's thread only.
std::optional<SeenKeys> seen_keys(const NodeRef& mask);

}  // namespace nxv
