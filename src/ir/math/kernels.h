// The few functions that all others are made of, over Extended.
#pragma once

#include "ir/math/polynomial.h"

namespace nxv::ir::math {

// ln 2 in two parts; the product of the first with a binary exponent is exact.
inline Coefficient short_ln2(const Arithmetic& arithmetic) {
  constexpr Coefficient f32 = {0x1.62e4p-1, 0x1.7f7d1cf79abcap-20};
  constexpr Coefficient f64 = {0x1.62e42fefa3p-1, 0x1.3de6af278ece6p-42};
  return arithmetic.pick(f64, f32, f64);
}

// e^x = 2^n (1 + fraction), |fraction| < 0.42.
struct Exponential {
  Extended fraction;
  Value n;  // s32

  Extended mantissa() const;  // 1 + fraction
};
// |x| <= 1100 (carriers of f64) or 110. NaN gives a NaN fraction and some n.
Exponential exp_kernel(const Extended& x);
// 2^x likewise.
Exponential exp2_kernel(const Extended& x);

// v * 2^n for v of about 1, rounded once also where the carrier's own range ends.
Value apply_exponent(Value v, Value n, const Arithmetic& arithmetic);

// log(a 2^k) for positive finite a. `minus_one` is a - 1 where the caller knows it better than a
// shows it. `precise` carries the polynomial in the extended precision too (for pow).
struct LogArgument {
  Extended a;
  Value minus_one = {};
  Value k = {};  // in the base type
  bool precise = false;
};
Extended log_kernel(const LogArgument& argument);

// atan(y / x) in [0, pi/2] for y, x >= 0, not both 0, neither infinite; pi - that where `negative`
// is true.
Extended atan_kernel(const Extended& y, const Extended& x, Value negative = {});

// sin and cos of x + correction, an f32 or f64 and what it lacks (far less than 1; absent:
// nothing), in the base type. NaN for infinite and NaN x.
SinCos sin_cos_kernel(Value x, Value correction, const Arithmetic& arithmetic);
// The same where |x| <= pi/4 and x is in the base type.
SinCos sin_cos_of_small(Value x, const Arithmetic& arithmetic);
SinCos sin_cos_of_small(const Extended& x);

// The functions that an integer's rest matters to; those of math.h are these without one. `y_odd`,
// where y is an integer: whether it is odd.
Value sqrt(const Argument& x, const MathOptions& options);
Value rsqrt(const Argument& x, const MathOptions& options);
Value cbrt(const Argument& x, const MathOptions& options);
Value pow(const Argument& x, const Argument& y, Value y_odd, const MathOptions& options);
Value atan2(const Argument& y, const Argument& x, const MathOptions& options);

// x that is too small for f(x) = x + O(x^3) to differ from x.
Value is_tiny(Value x, const Arithmetic& arithmetic);

}  // namespace nxv::ir::math
