// One element of a pointwise operation.
#pragma once

#include <span>

#include "base/scalar.h"
#include "ops/op_table.h"

namespace nxv::reference {

// The element of type `out` that a pointwise operation makes of its operands' elements, which keep
// their own types.
Scalar pointwise(Op op, DType out, std::span<const Scalar> operands);

}  // namespace nxv::reference
