// Views that an operation reads by their strides are its own.
#pragma once

#include <span>
#include <vector>

#include "graph/node.h"

namespace nxv {

// Values in which each operation that reads strided views (graph/attention.h) has views of its own:
// one that something else reads, too, would be stored. Follows pending nodes: the engine's thread
// only.
std::vector<NodeRef> with_own_views(std::span<const NodeRef> values);

}  // namespace nxv
