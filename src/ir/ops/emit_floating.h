// Elementwise operations with a float result.
#pragma once

#include "ir/ops/operation.h"

namespace nxv::ir {

// In f64 or f32: wrap() rounds it to the type of the result.
Value emit_floating(const Operation& operation);

}  // namespace nxv::ir
