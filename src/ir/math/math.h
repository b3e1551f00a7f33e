// The mathematical functions of KernelIR, emitted for f32 and f64.
//
// Every function takes any argument, returns IEEE special values (NaN, infinities, signed zeros;
// domain errors give NaN; pow and atan2 as in C99). There are branches, and loops in them, only
// where MathOptions::branches says that they pay.
//
// Accuracy: f32 results are computed in f64 and rounded once where the device has f64 (<= 0.51
// ULP), else in pairs of f32 (<= 1 ULP; <= 2 for pow, tan and the tail of erfc). erf_inv of f32 is
// <= 3 ULP either way: it is the approximation of the other backends of Nx, for the same normal
// random numbers. f64 results are <= 2 ULP (<= 4 for pow, erfc and erf_inv). f32 subnormals are
// kept where the device keeps them and may flush elsewhere. Arguments that f32 does not hold, large
// integers, are the business of whole.h.
#pragma once

#include <span>
#include <vector>

#include "ir/builder.h"

namespace nxv::ir::math {

struct MathOptions {
  bool f64 = true;                   // the device has f64 at a useful rate
  bool exact_f32_div_sqrt = true;    // its f32 / and sqrt are correctly rounded
  bool subnormals_preserved = true;  // its f32 arithmetic keeps subnormals
  bool fma_fused_f32 = false;        // its f32 fma rounds once
  // f32 values are steps towards a result of 16 bits or less: 2^-20 of them is enough. exp, log,
  // sigmoid, tanh, erf.
  bool leads_to_narrow = false;
  // f64 values are steps towards an f32 result: 2^-32 of them is enough.
  bool f64_leads_to_f32 = false;
  // Invocations that run together and all leave out a branch do not pay for it.
  bool branches = false;
};

Value exp(Value x, const MathOptions& options);
Value exp2(Value x, const MathOptions& options);
Value expm1(Value x, const MathOptions& options);
Value log(Value x, const MathOptions& options);
Value log1p(Value x, const MathOptions& options);
Value sigmoid(Value x, const MathOptions& options);
Value sin(Value x, const MathOptions& options);
Value cos(Value x, const MathOptions& options);
Value tan(Value x, const MathOptions& options);
// Of several numbers, with one branch around what few of them need: for f32 where this says so. The
// bits are the same.
bool shares_branches(Type type, const MathOptions& options);
std::vector<Value> sin(std::span<const Value> xs, const MathOptions& options);
std::vector<Value> cos(std::span<const Value> xs, const MathOptions& options);
Value sinh(Value x, const MathOptions& options);
Value cosh(Value x, const MathOptions& options);
Value tanh(Value x, const MathOptions& options);
Value asin(Value x, const MathOptions& options);
Value acos(Value x, const MathOptions& options);
Value atan(Value x, const MathOptions& options);
Value asinh(Value x, const MathOptions& options);
Value acosh(Value x, const MathOptions& options);
Value atanh(Value x, const MathOptions& options);
Value rsqrt(Value x, const MathOptions& options);
Value cbrt(Value x, const MathOptions& options);
Value erf(Value x, const MathOptions& options);
Value erfc(Value x, const MathOptions& options);
Value erf_inv(Value x, const MathOptions& options);
Value pow(Value x, Value y, const MathOptions& options);
Value atan2(Value y, Value x, const MathOptions& options);

struct SinCos {
  Value sin, cos;
};
// Both of an angle 0 <= x <= 2 pi, to the accuracy of sin and cos: of less code than either.
SinCos sin_cos_of_turn(Value x, const MathOptions& options);

// Correctly rounded.
Value div(Value a, Value b, const MathOptions& options);
Value sqrt(Value x, const MathOptions& options);
// The exact remainder, with the sign of the dividend; NaN for an infinite dividend or a zero
// divisor.
Value fmod(Value a, Value b, const MathOptions& options);

// Exact; options play no role.
Value trunc(Value x);
Value floor(Value x);
Value ceil(Value x);
Value round_even(Value x);
Value round_half_away(Value x);
Value sign(Value x);          // of NaN: 1; of a zero: itself
Value min(Value a, Value b);  // NaN wins; of equal operands the first
Value max(Value a, Value b);
Value is_nan(Value x);       // boolean
Value is_infinity(Value x);  // boolean
Value copy_sign(Value magnitude, Value sign);
Value abs(Value x);  // clears the sign bit
// Turns the sign bit around. Unlike the operator it keeps subnormals on every device.
Value negate(Value x);

}  // namespace nxv::ir::math
