#pragma once

#include "kernels/lowering.h"

namespace nxv::kernels {

// Op::fold: reductions by a caller's function.
Lowering lower_fold(const Region& region, const Target& target);

}  // namespace nxv::kernels
