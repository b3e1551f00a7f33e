// Reductions of small windows that move along the last axis by one element at a time.
//
// The windows of neighbouring results overlap there. An invocation takes four neighbouring results
// and evaluates each element that is in any of their windows once: of a window of n, n + 3 elements
// instead of 4 n. Each result follows the tree of fold.h on its own. The four are an aligned group
// where lines of results have whole groups; otherwise the last four of a line may include some of
// the group before.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

// Why lower_sliding_windows() does not apply, or null.
const char* sliding_obstacle(const Region& region, const Target& target);

Lowering lower_sliding_windows(const Region& region, const Target& target);

}  // namespace nxv::kernels
