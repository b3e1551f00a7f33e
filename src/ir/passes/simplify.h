// Removes what a kernel computes twice or for nothing.
#pragma once

#include "ir/kernel.h"

namespace nxv::ir {

// The same kernel, in which equal computations in one scope are one, and nothing is computed that
// no store, branch or exchange needs. Drivers do as much, but only after they have translated all
// of it: their time follows the length of what they are given. Every remaining operation is as it
// was, so results keep their bits.
Kernel simplify(Kernel kernel);

}  // namespace nxv::ir
