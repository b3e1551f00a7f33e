// What it is worth to store a value rather than to compute it again.
#pragma once

#include <functional>

#include "graph/node.h"

namespace nxv::schedule {

// Holds its value when a region runs: computed by nobody, or before.
bool is_boundary(const Node& node);
// The same or stored by a loop or a branch, whatever becomes of regions.
bool is_value(const Node& node);
// A number that commands carry: everywhere the same, and known when they are recorded.
bool is_number(const Node& node);

// Views of what is stored anyway, and one cheap operation on stored values or few views of them.
bool is_cheap(const Node& node);
// Whether the value takes more instructions than a write and a read of it are worth, as far as its
// inputs have to be computed with it: those that are not `is_stored`.
bool is_dear(const Node& node, const std::function<bool(const Node&)>& is_stored);

}  // namespace nxv::schedule
