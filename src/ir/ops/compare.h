// Comparisons by value across types.
#pragma once

#include "ir/ops/number.h"
#include "ops/op_table.h"

namespace nxv::ir {

// equal, not_equal, less, less_equal, greater, greater_equal -> boolean. Exact for any pair of
// types: u64 against s64, integers against floats. NaN compares false, but not_equal true.
Value compare(Op op, const Number& a, const Number& b, const math::MathOptions& options);

}  // namespace nxv::ir
