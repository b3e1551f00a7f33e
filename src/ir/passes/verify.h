// The rules that a kernel must keep.
#pragma once

#include "ir/kernel.h"

namespace nxv::ir {

// Throws Error(internal) naming the instruction when a kernel breaks a rule of ir/kernel.h or of
// the opcode table, uses a float literal of value 0, Inf or NaN in arithmetic, stores to a buffer
// that is read-only, or loads from one that is write-only.
void verify(const Kernel& kernel);

}  // namespace nxv::ir
