// Which bits of NaN a kernel shows.
#pragma once

#include <vector>

#include "ir/kernel.h"

namespace nxv::ir {

// By instruction: whether somebody may tell one NaN that it gives from another. Arithmetic and
// comparisons do not.
std::vector<bool> nan_bits_seen(const Kernel& kernel);

}  // namespace nxv::ir
