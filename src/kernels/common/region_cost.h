// How much code the expressions of a region are.
#pragma once

#include "graph/region.h"
#include "plan/device_plan.h"

namespace nxv::kernels {

// Arithmetic instructions of an element of a level, by the op table.
int cost_of(const Region& region, Level level);

// Whether kernels compute the elements of a group in turn (Tuning::heavy_cost).
bool is_heavy(const Region& region, Level level, const plan::DevicePlan& plan);
// Loop iterations of a group of such elements, at most.
uint32_t iterations_in_turn(const Region& region);

}  // namespace nxv::kernels
