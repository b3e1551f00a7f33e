// Rewrites 64-bit integers to pairs of 32-bit ones, for devices without shaderInt64.
//
// Memory and params keep their layout: a u64 is read as vec2 u32, low half first. Addresses of
// buffers are not integers of the kernel and stay as they are.
#pragma once

#include "ir/kernel.h"

namespace nxv::ir {

// Gives a kernel whose requirements have no int64. Kernels without 64-bit integers are copied.
Kernel legalize_int64(const Kernel& kernel);

}  // namespace nxv::ir
