// Division and square root of f32 values that have few significant digits, as have those of 16-bit
// floats, and lead to a result of no more: what is correctly rounded in f32 and then rounded to
// `digits` needs less than a correctly rounded f32.
//
// For devices that flush subnormals, whose fma is fused, and whose division and square root are
// within a few units in the last place (Vulkan demands 2.5 of a division by 2^-126 .. 2^126, and of
// a root no more than of the division and the inverse root, 2, that it may be made of).
//
// Let a, b and the result have p digits, and let m be the middle between two of the result's
// numbers, of p + 1 digits.
// - a / b is not m, since m b would have more digits than a, and |a / b - m| >= m / 2^(2p + 1).
// - sqrt(a) is not m, since m^2 has more digits than a, and |sqrt(a) - m| >= m / 2^(2p + 3).
// - 1 / sqrt(a) is not closer to m than 2^-18 m for 8 digits and 2^-21.5 m for 11 (by trying all).
// So any quotient off by less than 2^-17 serves for 8 digits, any root off by less than 2^-19 and
// any inverse root off by less than 2^-18. For 11 digits, 2^-23, 2^-25 and 2^-21.5, a residue by
// fma corrects quotients and roots to within 0.51 units of the last place, inverse roots to within
// 2; that a root so close to m is not m itself follows as for correctly rounded ones (S. A.
// Figueroa, "When is double rounding innocuous?", SIGNUM Newsletter 30, 1995).
#pragma once

#include "ir/math/math.h"

namespace nxv::ir::math {

inline constexpr int kNarrowDigits = 11;
inline bool uses_narrow_quotients(const MathOptions& options) {
  return !options.exact_f32_div_sqrt && options.fma_fused_f32 && !options.subnormals_preserved;
}

Value narrow_div(Value a, Value b, int digits);
// Of negative x: NaN.
Value narrow_sqrt(Value x, int digits);
Value narrow_rsqrt(Value x, int digits);

}  // namespace nxv::ir::math
