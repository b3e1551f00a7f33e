// Pointwise regions that read some operands across the grain.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

// Why operands of a pointwise region that are adjacent in memory along another dimension than the
// output are not better read through shared memory on this device; null: they are.
const char* tiles_obstacle(const Region& region, const Target& target);
// The same bits as lower_pointwise gives otherwise.
Lowering lower_tiles(const Region& region, const Target& target);

}  // namespace nxv::kernels
