#include "ir/math/narrow_quotients.h"

#include "ir/math/bits.h"

namespace nxv::ir::math {
namespace {

// Whether quotients and roots of so many digits need no correction.
bool is_short(int digits) { return digits <= 8; }

// estimate + residue * slope where there is something to correct: not for exact estimates, whose
// zeros keep their signs, nor for those whose residue is NaN: zeros, infinities.
Value corrected(Value estimate, Value residue, Value slope) {
  Builder& b = estimate.builder();
  const Value better = b.fma(residue, slope, estimate);
  return b.select(b.unary(Opcode::abs, residue) > 0, better, estimate);
}

}  // namespace

// Divisors beyond 2^126 are brought back, with their dividends: one that is lost by that has a
// quotient that is. Quotients of 8 digits are raised by 2^-19: the smallest normal number stays
// one.
Value narrow_div(Value a, Value b, int digits) {
  Builder& builder = a.builder();
  if (is_short(digits)) {
    constexpr double kRaise = 1 + 0x1p-19;
    const Value is_large = builder.unary(Opcode::abs, b) > 0x1p125;
    const auto scale = [&](double v) {
      return builder.select(is_large, like(a, v / 4), like(a, v));
    };
    return (a * scale(kRaise)) / (b * scale(1));
  }
  const Value inverse = like(b, 1.0) / b;
  const Value estimate = a * inverse;
  return corrected(estimate, builder.fma(-estimate, b, a), inverse);
}

Value narrow_sqrt(Value x, int digits) {
  Builder& b = x.builder();
  const Value native = b.unary(Opcode::sqrt, x);  // undefined below zero
  const Value root = is_short(digits)
                         ? native
                         : corrected(native, b.fma(-native, native, x), like(x, 0.5) / native);
  return b.select(x < 0, nan(b, kF32), root);
}

Value narrow_rsqrt(Value x, int digits) {
  Builder& b = x.builder();
  Value inverse = like(x, 1.0) / b.unary(Opcode::sqrt, x);
  if (!is_short(digits)) {
    inverse = b.fma(b.fma(-(x * inverse), inverse, like(x, 1)), inverse * 0.5, inverse);
  }
  const Value inf = infinity(b, kF32);
  const Value positive = b.select(x < inf, inverse, b.number(kF32, 0));
  return b.select(x > 0, positive, b.select(x == 0, copy_sign(inf, x), nan(b, kF32)));
}

}  // namespace nxv::ir::math
