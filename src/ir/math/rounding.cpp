// Rounding to whole numbers.
//
// Some drivers leave f64 beyond 2^24 as they are (llvmpipe on CPUs without AVX-512): f64 are
// rounded by adding 2^52 to their magnitude, and the verifier refuses the instructions for them.
#include "ir/math/math.h"

namespace nxv::ir::math {
namespace {

constexpr double kWhole = 0x1p52;  // f64 from here on have no fraction

// |x| to the nearest whole number, ties to even; for |x| < kWhole.
Value near(Value magnitude) { return (magnitude + kWhole) - kWhole; }

// `rounded`, with the sign of x, where x has a fraction; x is right itself elsewhere, zeros of both
// signs and NaN included.
Value where_fractional(Value x, Value magnitude, Value nearest, Value rounded) {
  Builder& b = x.builder();
  const Value is_fractional = (magnitude < kWhole) & (nearest != magnitude);
  return b.select(is_fractional, b.select(x < 0, -rounded, rounded), x);
}

bool is_f64(Value x) { return x.type().scalar == Scalar::f64; }
Value abs_of(Value x) { return x.builder().unary(Opcode::abs, x); }

}  // namespace

Value round_even(Value x) {
  if (!is_f64(x)) return x.builder().unary(Opcode::round_even, x);
  const Value magnitude = abs_of(x), nearest = near(magnitude);
  return where_fractional(x, magnitude, nearest, nearest);
}

Value trunc(Value x) {
  Builder& b = x.builder();
  if (!is_f64(x)) return b.unary(Opcode::trunc, x);
  const Value magnitude = abs_of(x), nearest = near(magnitude);
  const Value below = b.select(nearest > magnitude, nearest - 1, nearest);
  return where_fractional(x, magnitude, nearest, below);
}

Value floor(Value x) {
  Builder& b = x.builder();
  if (!is_f64(x)) return b.unary(Opcode::floor, x);
  const Value whole = trunc(x);
  return b.select(whole > x, whole - 1, whole);
}

Value ceil(Value x) {
  if (!is_f64(x)) return x.builder().unary(Opcode::ceil, x);
  return -floor(-x);
}

Value round_half_away(Value x) {
  Builder& b = x.builder();
  const Value whole = trunc(x);
  const Value away = b.unary(Opcode::abs, x - whole) >= 0.5;
  return b.select(away, whole + copy_sign(like(x, 1), x), whole);
}

}  // namespace nxv::ir::math
