// log, log1p: a = 2^k m with m in [sqrt(1/2), sqrt(2)), log m = 2 atanh((m - 1) / (m + 1)).
#include "ir/math/bits.h"
#include "ir/math/coefficients.h"
#include "ir/math/kernels.h"

namespace nxv::ir::math {
namespace {

// log((1 + s) / (1 - s))
Extended log_of_quotient(const Extended& s, bool precise) {
  if (precise) {
    const Extended z = s * s;
    const Extended two = constant(s.builder(), s.arithmetic, 2);
    return s * (two + z * extended_polynomial(z, kLog));
  }
  const Value z = s.hi * s.hi;
  return correct(scale(s, like(s.hi, 2)), s.hi * (z * polynomial(z, kLog.of(s.arithmetic))));
}

}  // namespace

Extended log_kernel(const LogArgument& argument) {
  const Extended& a = argument.a;
  const Arithmetic& arithmetic = a.arithmetic;
  const Type base = arithmetic.base();
  Builder& b = a.builder();
  // The exponent field counts from sqrt(1/2).
  const Value top = b.bitcast(top_word(a.hi), kS32);
  const Value k = (top - (is_f64(base) ? 0x3fe6a09e : 0x3f3504f3)) >> exponent_shift(base);
  Extended m{arithmetic, with_top_word(a.hi, b.bitcast(top - (k << exponent_shift(base)), kU32))};
  if (a.lo) {
    const Value down = b.binary(Opcode::max, -k, b.s32(1 - exponent_bias(base)));
    m.lo = a.lo * power_of_two(down, base);
  }
  Extended above{arithmetic, m.hi - 1};  // exact
  if (m.lo) above = two_sum(arithmetic, above.hi, m.lo);
  if (argument.minus_one) {
    const Extended given{arithmetic, argument.minus_one};
    above = select(k == 0, given, above);
  }
  const Extended log_m =
      log_of_quotient(above / (m + constant(b, arithmetic, 1)), argument.precise);

  Value count = b.convert(k, base);
  if (argument.k) count = count + argument.k;
  const Coefficient ln2 = short_ln2(arithmetic);
  const Value low = count * ln2.lo;
  const Value high = count * ln2.hi;  // exact
  if (!arithmetic.is_pair()) return {arithmetic, high + (log_m.hi + low)};
  return correct(two_sum(arithmetic, high, log_m.hi), log_m.lo + low);
}

// Where the carrier is the result's own type, subnormals are brought into the normal range.
Value log(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  LogArgument argument{{arithmetic, widen(x, arithmetic)}};
  if (arithmetic.carrier != Carrier::f64) {
    const Value subnormal = x < (is_f64(t) ? 0x1p-1022 : 0x1p-126);
    argument.a.hi = b.select(subnormal, x * 0x1p60, x);
    argument.k = b.select(subnormal, like(x, -60), b.zero(t));
  }
  const Value result = narrow(log_kernel(argument).value(), t);
  const Value inf = infinity(b, t);
  // Infinity and NaN are answered by themselves.
  const Value positive = b.select(x < inf, result, x);
  return b.select(x > 0, positive, b.select(x == 0, b.number(t, -HUGE_VAL), nan(b, t)));
}

Value log1p(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value wide = widen(x, arithmetic);
  const Extended a = two_sum(arithmetic, like(wide, 1), wide);
  const Value result = narrow(log_kernel({a, wide}).value(), t);
  const Value magnitude = b.unary(Opcode::abs, x);
  const Value tiny = magnitude < arithmetic.pick(0x1p-60, 0x1p-40, 0x1p-80);
  const Value inside = b.select(tiny | !(x < infinity(b, t)), x, result);
  const Value outside = b.select(x == -1, b.number(t, -HUGE_VAL), nan(b, t));
  return b.select(x > -1, inside, outside);
}

}  // namespace nxv::ir::math
