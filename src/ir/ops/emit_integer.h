// Elementwise operations with an integer result.
#pragma once

#include "ir/ops/operation.h"

namespace nxv::ir {

Value emit_integer(const Operation& operation);

}  // namespace nxv::ir
