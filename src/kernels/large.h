// Regions of tensors across which 32-bit indices do not reach: they are computed in parts, rows of
// their points, whose kernels see what they touch of each buffer, at an address of its own. Kernels
// are those of smaller tensors, and so are their bits.
#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

bool is_large(const Region& region, const plan::DevicePlan& plan);
// `lower` lowers a part. Throws Error(unsupported) where the region has no parts.
Lowering lower_in_parts(const Region& region, const Target& target,
                        Lowering (*lower)(const Region&, const Target&));

}  // namespace nxv::kernels
