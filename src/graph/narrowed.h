// What a value depends on, axis by axis.
#pragma once

#include <optional>
#include <vector>

#include "graph/node.h"

namespace nxv {

// For each axis of `from`, its axis of `to`; -1 for axes of length 1. Nothing where the
// reshape does more than to add and to drop such axes.
std::optional<std::vector<int>> kept_axes(const Shape& from, const Shape& to);

// `x` with length 1 along each axis that its elements are seen not to depend on: it broadcasts to x
// again. Looks through generators, pointwise operations, broadcasts and axes of length 1. Follows
// pending nodes: the engine's thread only.
NodeRef narrowed(const NodeRef& x);

}  // namespace nxv
