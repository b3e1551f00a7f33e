// exp, exp2, expm1, sigmoid: x = n ln 2 + r, e^x = 2^n e^r with a polynomial for e^r.
#include "ir/math/bits.h"
#include "ir/math/coefficients.h"
#include "ir/math/kernels.h"

namespace nxv::ir::math {
namespace {

constexpr double kLog2E = 0x1.71547652b82fep+0;
constexpr Coefficient kLn2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
struct Nearest {
  Value number;   // in x's type
  Value integer;  // s32
};

// The integer nearest to x, |x| < 2^21. Adding 1.5 * 2^p leaves it in the low bits of the sum.
Nearest nearest_integer(Value x) {
  Builder& b = x.builder();
  const bool wide = is_f64(x.type());
  const Value magic = like(x, wide ? 0x1.8p52 : 0x1.8p23);
  const Value shifted = x + magic;
  const Value integer =
      wide ? b.bitcast(low_word(shifted), kS32) : b.bitcast(shifted, kS32) - b.bitcast(magic, kS32);
  return {shifted - magic, integer};
}

// e^r - 1 for |r| <= ln(2) / 2.
Extended expm1_fraction(const Extended& r) {
  const Value square = r.hi * r.hi;
  const Value tail = square * 0.5 + square * (r.hi * polynomial(r.hi, kExp.of(r.arithmetic)));
  return correct(r, tail);
}

// Values of x beyond which e^x is 0 or infinite in the result's type.
Value clamp_exponent(Value x, const Arithmetic& arithmetic, double per_octave = 1) {
  const double high = arithmetic.pick(130.0, 130.0, 1026.0) * per_octave;
  const double low = arithmetic.pick(-155.0, -155.0, -1080.0) * per_octave;
  return clamp(x, low, high);
}

// mantissa * 2^n in the result's type.
Value assemble(const Exponential& e, Type t) {
  return narrow(apply_exponent(e.mantissa().value(), e.n, e.fraction.arithmetic), t);
}

// e^x as a step, with x = 2 n ln 2 + r: two factors 2^n reach the ends of the range. Of NaN
// anything.
Value exp_step(Value x) {
  Builder& b = x.builder();
  const Value limited = b.binary(Opcode::max, b.binary(Opcode::min, x, like(x, 90)), like(x, -104));
  const Value magic = like(x, 0x1.8p23);  // leaves n in the low bits
  const Value shifted = b.fma(limited, like(x, kLog2E / 2), magic);
  const Value n = shifted - magic;
  const Coefficient ln2 = short_ln2(Arithmetic(kF32, {.leads_to_narrow = true}));
  const Value high = b.fma(n, like(x, -2 * ln2.hi), limited);
  const Value r = b.fma(n, like(x, -2 * ln2.lo), high);
  const Value power = b.bitcast((b.bitcast(shifted, kU32) << 23) + 0x3f800000u, kF32);
  return polynomial(r, kExpStep) * power * power;
}

}  // namespace

Extended Exponential::mantissa() const {
  const Arithmetic& arithmetic = fraction.arithmetic;
  const Extended sum = fast_two_sum(arithmetic, like(fraction.hi, 1), fraction.hi);
  return fraction.lo ? correct(sum, fraction.lo) : sum;
}

Value apply_exponent(Value v, Value n, const Arithmetic& arithmetic) {
  return arithmetic.carrier == Carrier::f64 ? v * power_of_two(n, kF64) : scale_by_power(v, n);
}

Exponential exp_kernel(const Extended& x) {
  const Arithmetic& arithmetic = x.arithmetic;
  const Nearest n = nearest_integer(x.hi * kLog2E);
  const Coefficient ln2 = short_ln2(arithmetic);
  const Value high = x.hi - n.number * ln2.hi;
  Extended r = two_sum(arithmetic, high, -(n.number * ln2.lo));
  if (x.lo) r = correct(r, x.lo);
  return {expm1_fraction(r), n.integer};
}

Exponential exp2_kernel(const Extended& x) {
  const Arithmetic& arithmetic = x.arithmetic;
  const Nearest n = nearest_integer(x.hi);
  Extended r{arithmetic, x.hi - n.number, x.lo};
  return {expm1_fraction(r * constant(x.builder(), arithmetic, kLn2.hi, kLn2.lo)), n.integer};
}

Value exp(Value x, const MathOptions& options) {
  const Arithmetic arithmetic(x.type(), options);
  if (arithmetic.carrier == Carrier::f32) return nan_or(exp_step(x), x);
  const Value limited = clamp_exponent(widen(x, arithmetic), arithmetic, kLn2.hi);
  return assemble(exp_kernel({arithmetic, limited}), x.type());
}

Value exp2(Value x, const MathOptions& options) {
  const Arithmetic arithmetic(x.type(), options);
  return assemble(exp2_kernel({arithmetic, clamp_exponent(widen(x, arithmetic), arithmetic)}),
                  x.type());
}

Value expm1(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  const Value limited =
      clamp(widen(x, arithmetic), -60, arithmetic.pick(128.4, 128.4, 1024.4) * kLn2.hi);
  const Exponential e = exp_kernel({arithmetic, limited});
  const Value magnitude = b.unary(Opcode::abs, x);
  Extended fraction = rounded(e.fraction);
  if (arithmetic.carrier == Carrier::pair_f64) {
    // As e^x - 1 has it, beyond log 2.
    fraction.hi = b.select(magnitude > 0.7, e.mantissa().hi - 1, fraction.hi);
  }
  // (2^n - 1 + 2^n fraction), halved so that 2^n itself cannot overflow.
  const Value power = power_of_two(e.n - 1, arithmetic.base());
  const Extended half =
      two_sum(fraction.arithmetic, power, like(power, -0.5)) + scale(fraction, power);
  const Value result = narrow(half.value() * 2, x.type());
  return b.select(magnitude < arithmetic.pick(0x1p-60, 0x1p-40, 0x1p-80), x, result);
}

// 1 / (1 + e^-x); e^x where that makes no difference, so that nothing overflows and subnormal
// results are rounded once.
Value sigmoid(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  if (arithmetic.carrier == Carrier::f32) {
    const Value far = x < -30;
    const Value power = exp_step(b.select(far, x, -x));
    const Value result = b.select(far, power, like(x, 1.0) / (power + 1));
    return nan_or(result, x);
  }
  const Value wide = widen(x, arithmetic);
  const Value far = wide < arithmetic.pick(-36.7, -30.0, -36.7);
  const Value exponent = clamp_exponent(b.select(far, wide, -wide), arithmetic, kLn2.hi);
  const Exponential e = exp_kernel({arithmetic, exponent});
  const Extended mantissa = e.mantissa();
  const Extended power{arithmetic, apply_exponent(mantissa.hi, e.n, arithmetic),
                       mantissa.lo ? apply_exponent(mantissa.lo, e.n, arithmetic) : Value()};
  Extended divisor = rounded(constant(b, arithmetic, 1) + power);
  if (arithmetic.carrier == Carrier::pair_f64) {
    // Of e^-x rounded first, while that is below 1.
    divisor.hi = b.select(wide < 0, divisor.hi, power.hi + 1);
  }
  const Extended quotient = constant(b, divisor.arithmetic, 1) / divisor;
  const Value itself = apply_exponent(mantissa.value(), e.n, arithmetic);
  return narrow(b.select(far, itself, quotient.value()), x.type());
}

}  // namespace nxv::ir::math
