// Rewrites conversions to and from 16-bit floats to integer arithmetic, for devices whose own have
// other bits or are not there.
#pragma once

#include "ir/kernel.h"

namespace nxv::ir {

// What a device converts as the opcodes say.
struct NativeConversions {
  bool bf16 = false, f16 = false;
  // It may flush subnormals of f32 as its f32 arithmetic does, whose results are none therefore:
  // only of these bf16 are rounded natively.
  bool flushes = false;
};
// The kernel in which everything else is rewritten.
Kernel expand_conversions(Kernel kernel, const NativeConversions& native = {});

}  // namespace nxv::ir
