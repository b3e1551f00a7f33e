// Pointwise regions that read some operands across the grain.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

// Whether operands of a pointwise region are adjacent in memory along another dimension than the
// output, and are better read through shared memory on this device.
bool reads_across(const Region& region, const Target& target);
// The same bits as lower_pointwise gives otherwise.
Lowering lower_tiled(const Region& region, const Target& target);

}  // namespace nxv::kernels
