// Integer constants beside floats.
#pragma once

#include <span>
#include <vector>

#include "graph/node.h"

namespace nxv {

// The operands as an operation gets them: integer constants beside floats of one type are constants
// of that type where it has their value and where the operation takes numbers for what they are, so
// that the result has the same bits. `x + 1` is one kernel with `x + 1.0`, and converts nothing.
std::vector<NodeRef> with_exact_constants(Op op, std::span<const NodeRef> operands);

}  // namespace nxv
