// Loops as their rounds, one after the other.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "graph/function.h"

namespace nxv {

// The results of a loop of few rounds, their number known, that differ in what they read: a slice
// at the loop's counter, or arrays that take turns. Written out they read that where it is, and
// fuse. Nothing for any other loop: rounds that are all alike share their kernels as they are,
// however many there are. Arguments are those of `loop`.
std::optional<std::vector<NodeRef>> unrolled_loop(std::span<const NodeRef> state,
                                                  const Function& condition, const Function& body);

}  // namespace nxv
