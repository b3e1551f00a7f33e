// Integers of 32 and 64 bits as arguments of functions of f32, where those compute in pairs of f32.
//
// f32 holds all integers up to 2^24 only: here they reach a function as exactly as through f64.
// As in f64, 64-bit integers are first rounded to 53 significant bits, so that a function sees the
// same number on every device.
#pragma once

#include <array>

#include "ir/math/kernels.h"

namespace nxv::ir::math {

// +-significand * 2^exponent.
struct Whole {
  explicit Whole(Value integer);  // u32, s32, u64 or s64

  bool is_wide() const { return high.exists(); }

  Value negative;   // boolean
  Value low, high;  // the significand in words: below 2^32 (high absent) or at most 2^53
  Value exponent;   // u32, at most 11; absent: 0
};

// An integer as a sum of f32, each at most half a unit in the last place of the one before: two of
// 32 bits, three of 64.
using Parts = std::array<Value, 3>;  // the third may be absent
Parts parts_of(const Whole& n);
Parts negated(const Parts& n);
// The f32 nearest to n and, in another f32, the rest (to 2^-48 of n).
Argument argument_of(const Whole& n);

// How a result of more precision becomes an f32: the nearest one or, where it goes on to be rounded
// to a narrower type, one whose last bit is odd when it is inexact.
enum class Rounding : uint8_t { nearest, odd };

// x + n for an f32 x.
Value add(Value x, const Parts& n, const MathOptions& options, Rounding rounding);
// a b and a / b.
Value multiply(const Argument& a, const Argument& b, const MathOptions& options, Rounding rounding);
Value divide(const Argument& a, const Argument& b, const MathOptions& options, Rounding rounding);
// The exact remainder with the sign of the dividend, rounded once.
Value fmod(Value x, const Whole& n, const MathOptions& options, Rounding rounding);
Value fmod(const Whole& n, Value y, const MathOptions& options, Rounding rounding);

Value sin(const Whole& x, const MathOptions& options);
Value cos(const Whole& x, const MathOptions& options);
Value tan(const Whole& x, const MathOptions& options);

}  // namespace nxv::ir::math
