// pow: e^(y log |x|), with the logarithm in extended precision.
#include "ir/math/bits.h"
#include "ir/math/kernels.h"

namespace nxv::ir::math {

Value pow(Value x, Value y, const MathOptions& options) {
  return pow(Argument{x}, Argument{y}, {}, options);
}

Value pow(const Argument& base, const Argument& power, Value y_odd, const MathOptions& options) {
  const Value x = base.value, y = power.value;
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value inf = infinity(b, t);
  const Argument absolute = abs(base);
  const Value magnitude = absolute.value;

  LogArgument argument{{arithmetic, widen(magnitude, arithmetic), absolute.rest}};
  argument.precise = arithmetic.is_pair();
  if (arithmetic.is_pair() && !base.rest.exists()) {
    const Value subnormal = magnitude < (is_f64(t) ? 0x1p-1022 : 0x1p-126);
    argument.a.hi = b.select(subnormal, magnitude * 0x1p60, magnitude);
    argument.k = b.select(subnormal, like(x, -60), b.zero(t));
  }
  // Larger |y| only give 0, 1 or infinity, and these limits already do; so do they for the
  // exponent of e, which keeps its second part only inside of them.
  const double y_limit = arithmetic.pick(0x1p40, 0x1p40, 0x1p70);
  Extended multiplier{arithmetic, clamp(widen(y, arithmetic), -y_limit, y_limit)};
  if (power.rest) multiplier.lo = b.select(multiplier.hi == y, power.rest, b.zero(t));
  const Extended exponent = log_kernel(argument) * multiplier;
  Extended limited{arithmetic, clamp(exponent.hi, arithmetic.pick(-108.0, -108.0, -750.0),
                                     arithmetic.pick(90.0, 90.0, 712.0))};
  if (exponent.lo) {
    limited.lo = b.select(limited.hi == exponent.hi, exponent.lo, b.zero(t));
  }
  const Exponential e = exp_kernel(limited);
  Value result = narrow(apply_exponent(e.mantissa().value(), e.n, arithmetic), t);

  // |x| of 0 and infinity.
  const Value y_negative = y < 0;
  const Value zero = b.number(t, 0);
  result = b.select(magnitude == 0, b.select(y_negative, inf, zero), result);
  result = b.select(magnitude == inf, b.select(y_negative, zero, inf), result);

  // Negative x: y must be an integer, an odd one changes the sign. Large y are even integers.
  Value y_integer = b.boolean(true);
  if (!y_odd.exists()) {
    y_integer = trunc(y) == y;
    const Value half = y * 0.5;
    y_odd = y_integer & (trunc(half) != half) & (b.unary(Opcode::abs, y) < inf);
  }
  const Value sign_set = b.bitcast(top_word(x), kS32) < 0;
  result = b.select(sign_set & y_odd, -result, result);
  const Value negative = (x < 0) & (magnitude < inf);
  result = b.select(negative & !y_integer, nan(b, t), result);

  const Value ordered = (x == x) & (y == y);
  result = b.select(ordered, result, nan(b, t));
  return b.select((x == 1) | (y == 0), like(x, 1), result);
}

}  // namespace nxv::ir::math
