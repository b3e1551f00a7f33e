// pow: e^(y log |x|), with the logarithm in extended precision.
#include "ir/math/bits.h"
#include "ir/math/kernels.h"

namespace nxv::ir::math {

Value pow(Value x, Value y, const MathOptions& options) {
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value inf = infinity(b, t);
  const Value magnitude = b.unary(Opcode::abs, x);

  LogArgument argument{{arithmetic, widen(magnitude, arithmetic)}};
  argument.precise = arithmetic.is_pair();
  if (arithmetic.is_pair()) {
    const Value subnormal = magnitude < (is_f64(t) ? 0x1p-1022 : 0x1p-126);
    argument.a.hi = b.select(subnormal, magnitude * 0x1p60, magnitude);
    argument.k = b.select(subnormal, like(x, -60), b.zero(t));
  }
  // Larger |y| only give 0, 1 or infinity, and these limits already do; so do they for the
  // exponent of e, which keeps its second part only inside of them.
  const double y_limit = arithmetic.pick(0x1p40, 0x1p40, 0x1p70);
  const Extended exponent =
      log_kernel(argument) * Extended{arithmetic, clamp(widen(y, arithmetic), -y_limit, y_limit)};
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
  const Value y_integer = trunc(y) == y;
  const Value half = y * 0.5;
  const Value y_odd = y_integer & (trunc(half) != half) & (b.unary(Opcode::abs, y) < inf);
  const Value sign_set = b.bitcast(top_word(x), kS32) < 0;
  result = b.select(sign_set & y_odd, -result, result);
  const Value negative = (x < 0) & (magnitude < inf);
  result = b.select(negative & !y_integer, nan(b, t), result);

  const Value ordered = (x == x) & (y == y);
  result = b.select(ordered, result, nan(b, t));
  return b.select((x == 1) | (y == 0), like(x, 1), result);
}

}  // namespace nxv::ir::math
