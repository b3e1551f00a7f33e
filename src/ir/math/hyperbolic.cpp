// sinh, cosh, tanh from e^|x|; asinh, acosh, atanh from the logarithm.
#include "ir/math/bits.h"
#include "ir/math/coefficients.h"
#include "ir/math/kernels.h"

namespace nxv::ir::math {
namespace {

// e^|x| / 4, without overflow for any |x| whose sinh is finite, and e^-|x| / 4.
struct Quarters {
  Extended rising, falling;
};

Quarters quarters(Value magnitude, const Arithmetic& arithmetic) {
  Builder& b = magnitude.builder();
  const Value limited = clamp(magnitude, -1, arithmetic.pick(89.6, 89.6, 710.6));
  const Exponential e = exp_kernel({arithmetic, limited});
  const Extended rising = scale(e.mantissa(), power_of_two(e.n - 2, arithmetic.base()));
  // Beyond 2^62 the falling part does not matter, and large divisors overflow.
  const Extended large = constant(b, arithmetic, 0x1p62);
  const Extended divisor =
      arithmetic.is_pair() ? select(rising.hi > 0x1p62, large, rising) : rising;
  return {rising, constant(b, arithmetic, 0.0625) / divisor};
}

// Arguments whose logarithm asinh and acosh take directly, adding ln 2.
double large_argument(const Arithmetic& arithmetic) {
  return arithmetic.pick(0x1p60, 0x1p30, 0x1p60);
}

}  // namespace

Value sinh(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  const Value magnitude = b.unary(Opcode::abs, x);
  const Quarters q = quarters(widen(magnitude, arithmetic), arithmetic);
  Value half = (q.rising - q.falling).value();
  if (arithmetic.carrier == Carrier::pair_f64) {
    // As (e^x - e^-x) / 2 has it, where little cancels.
    half = b.select(magnitude < 1, half, q.rising.hi - q.falling.hi);
  }
  const Value result = narrow(half * 2, x.type());
  return b.select(is_tiny(x, arithmetic), x, copy_sign(result, x));
}

Value cosh(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  const Quarters q = quarters(widen(b.unary(Opcode::abs, x), arithmetic), arithmetic);
  return narrow((q.rising + q.falling).value() * 2, x.type());
}

// (e^2x - 1) / (e^2x + 1). As a step a quotient of polynomials, which rounds to the nearest f16 and
// bf16 of every one; beyond 4.7 these are 1.
Value tanh(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  if (arithmetic.carrier == Carrier::f32) {
    return nan_or(odd_quotient(x, 4.7, kTanhNumerator, kTanhDenominator), x);
  }
  const Value magnitude = widen(b.unary(Opcode::abs, x), arithmetic);
  const Value limited = clamp(magnitude, -1, arithmetic.pick(12.0, 12.0, 24.0));
  const Exponential e = exp_kernel({arithmetic, limited + limited});
  const Value power = power_of_two(e.n, arithmetic.base());
  const Extended squared = scale(e.mantissa(), power);
  const Extended one = constant(b, arithmetic, 1);
  const Value result = narrow(((squared - one) / (squared + one)).value(), x.type());
  return b.select(is_tiny(x, arithmetic), x, copy_sign(result, x));
}

// log(|x| + sqrt(x^2 + 1))
Value asinh(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  const Value magnitude = widen(b.unary(Opcode::abs, x), arithmetic);
  const Type base = magnitude.type();
  const Value large = magnitude > large_argument(arithmetic);
  const Extended u{arithmetic, b.select(large, like(magnitude, 1), magnitude)};
  const Extended sum = u + sqrt(u * u + constant(b, arithmetic, 1));
  const Extended direct{arithmetic, magnitude};
  const Value k = b.select(large, like(magnitude, 1), b.zero(base));
  const Value result = narrow(log_kernel({select(large, direct, sum), {}, k}).value(), x.type());
  const Value itself = is_tiny(x, arithmetic) | !(b.unary(Opcode::abs, x) < infinity(b, x.type()));
  return b.select(itself, x, copy_sign(result, x));
}

// log(x + sqrt(t^2 + 2 t)) with t = x - 1
Value acosh(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  const Value wide = widen(x, arithmetic);
  const Type base = wide.type();
  const Value large = wide > large_argument(arithmetic);
  const Extended u{arithmetic, b.select(large, like(wide, 1), wide)};
  const Extended one = constant(b, arithmetic, 1);
  const Extended t = rounded(u - one);
  const Extended sum = u + sqrt(t * t + scale(t, like(t.hi, 2)));
  const Extended direct{arithmetic, wide};
  const Value k = b.select(large, like(wide, 1), b.zero(base));
  const Value result = narrow(log_kernel({select(large, direct, sum), {}, k}).value(), x.type());
  const Value finite = b.select(x < infinity(b, x.type()), result, x);
  return b.select(x >= 1, finite, nan(b, x.type()));
}

// log((1 + x) / (1 - x)) / 2
Value atanh(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value magnitude = b.unary(Opcode::abs, x);
  const Value wide = widen(magnitude, arithmetic);
  const Value one = like(wide, 1);
  const Extended quotient = two_sum(arithmetic, one, wide) / two_sum(arithmetic, one, -wide);
  const Value result = narrow(log_kernel({quotient}).value() * 0.5, t);
  const Value inside =
      b.select(magnitude < 1, result, b.select(magnitude == 1, infinity(b, t), nan(b, t)));
  return b.select(is_tiny(x, arithmetic), x, copy_sign(inside, x));
}

}  // namespace nxv::ir::math
