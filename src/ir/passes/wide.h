// 64-bit integers as pairs of 32-bit halves, for devices without 64-bit arithmetic.
//
// Lanes stay lanes: a vector of n 64-bit numbers is two vectors of n halves.
#pragma once

#include "ir/builder.h"

namespace nxv::ir {

struct Wide {
  Value low, high;  // u32 with equal lanes
};

Wide wide_constant(Builder& b, uint64_t value, int lanes);

Wide wide_add(Wide x, Wide y);
Wide wide_sub(Wide x, Wide y);
Wide wide_neg(Wide x);
Wide wide_abs(Wide x);  // of a signed number
Wide wide_mul(Wide x, Wide y);
// Truncating quotient and remainder with the sign of x; any result when y is 0.
Wide wide_div(Wide x, Wide y, bool is_signed);
Wide wide_rem(Wide x, Wide y, bool is_signed);

// Amounts are u32 below 64, scalar or with the lanes of x.
Wide wide_shl(Wide x, Value amount);
Wide wide_shr(Wide x, Value amount, bool is_signed);
Value wide_clz(Wide x);

Value wide_eq(Wide x, Wide y);
Value wide_lt(Wide x, Wide y, bool is_signed);
Wide wide_select(Value condition, Wide when_true, Wide when_false);

// Conversions. To floats they round to nearest even; from floats they truncate and the value fits.
Wide wide_from_32(Value x);  // u32 or s32, extended by its own sign
Value wide_to_float(Wide x, bool is_signed, Type to);
Wide wide_from_float(Value x, bool is_signed);

}  // namespace nxv::ir
