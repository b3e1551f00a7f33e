// Conversions between the floating and the integer compute types.
#pragma once

#include "base/dtype.h"
#include "ir/builder.h"

namespace nxv::ir::math {

// f32 or f64 to an integer type: truncates, then wraps modulo 2^bits for finite values of any
// magnitude; NaN gives 0, infinities the largest and the smallest value. The result is a u32, s32,
// u64 or s64 that holds a value of `to`.
Value float_to_int(Value v, DType to);

// u32, s32, u64 or s64 to f32 or f64, rounded to nearest even.
Value int_to_float(Value v, Type to);

// u32, s32, u64 or s64 to f32; inexact results have an odd last bit, so that rounding them further
// rounds the integer once.
Value int_to_odd_f32(Value v);

}  // namespace nxv::ir::math
