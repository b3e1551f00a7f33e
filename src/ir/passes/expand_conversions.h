// Rewrites conversions to and from 16-bit floats to integer arithmetic, for devices whose own have
// other bits or are not there.
#pragma once

#include "ir/kernel.h"

namespace nxv::ir {

// Types whose conversions are rewritten.
struct ExpandedTypes {
  bool bf16 = true, f16 = true;
};
Kernel expand_conversions(Kernel kernel, const ExpandedTypes& types = {});

}  // namespace nxv::ir
