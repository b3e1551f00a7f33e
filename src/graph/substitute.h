// Graphs written out again with other inputs.
#pragma once

#include <span>
#include <vector>

#include "graph/function.h"

namespace nxv {

// The results of a Function as values of the arguments' graph: what depends on a parameter is built
// anew, with what the host can compute by now computed. The arguments fit (check_arguments).
std::vector<NodeRef> substitute(const Function& function, std::span<const NodeRef> arguments);

}  // namespace nxv
