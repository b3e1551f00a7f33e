// Common subexpressions: what is computed in the same way from the same values is one node.
#pragma once

#include <span>
#include <vector>

#include "graph/node.h"

namespace nxv {

// Nodes for the same values in which no two compute the same: the nodes themselves, where nothing
// below them is computed twice. Value numbering in topological order (Cocke and Schwartz,
// Programming Languages and Their Compilers, 1970). Elements have the same bits. Follows pending
// nodes: the engine's thread only.
std::vector<NodeRef> common_values(std::span<const NodeRef> values);

}  // namespace nxv
