// How much code the expressions of a region are.
#pragma once

#include "graph/region.h"
#include "plan/device_plan.h"

namespace nxv::kernels {

// Arithmetic instructions of an element of a level, by the op table.
int cost_of(const Region& region, Level level);

// From this cost on, kernels for CPUs compute the elements of a group in turn, by a loop, instead
// of each by a copy of the code. There the first run of a kernel takes as long as the kernel is:
// about 7 us an instruction with Mesa's lavapipe, in parts that no cache saves. Later runs of
// straight code are up to a sixth faster: it is worth 10 ms, not more.
inline constexpr int kHeavyCost = 150;
bool is_heavy(const Region& region, Level level, const plan::DevicePlan& plan);
// Loop iterations of a group of such elements, at most.
uint32_t iterations_in_turn(const Region& region);

}  // namespace nxv::kernels
