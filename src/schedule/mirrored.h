// One order of two operands, for kernels that would differ in that alone.
#pragma once

#include <optional>

#include "ops/op_table.h"

namespace nxv::schedule {

// The operation that has the same result with its two operands in the other order. Of sums and
// products this holds for integers: of two NaN the first may be the result.
std::optional<Op> mirrored(Op op, DType result);

}  // namespace nxv::schedule
