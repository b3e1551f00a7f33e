// asin, acos, atan, atan2: all of them the angle of a point (x, y).
#include "ir/math/bits.h"
#include "ir/math/coefficients.h"
#include "ir/math/whole.h"

namespace nxv::ir::math {
namespace {

constexpr Coefficient kPi = {0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53};
constexpr double kTanEighthPi = 0x1.a827999fcef32p-2;

// 1 - x^2 for |x| <= 1
Extended one_minus_square(const Extended& x) {
  return constant(x.builder(), x.arithmetic, 1) - x * x;
}

}  // namespace

// The smaller of both over the larger, t, is at most 1; above tan(pi/8), atan t = pi/4 +
// atan((t - 1) / (t + 1)).
Extended atan_kernel(const Extended& y, const Extended& x, Value negative) {
  Builder& b = y.builder();
  const Arithmetic& arithmetic = y.arithmetic;
  const Value steep = y.hi > x.hi;
  const Extended small = select(steep, x, y), large = select(steep, y, x);
  const Value middle = small.hi > large.hi * kTanEighthPi;
  const Extended t = select(middle, small - large, small) / select(middle, small + large, large);
  const Value z = t.hi * t.hi;
  Extended angle = correct(t, t.hi * (z * polynomial(z, kAtan.of(arithmetic))));
  auto fraction_of_pi = [&](double f) { return constant(b, arithmetic, kPi.hi * f, kPi.lo * f); };
  angle = select(middle, fraction_of_pi(0.25) + angle, angle);
  angle = select(steep, fraction_of_pi(0.5) - angle, angle);
  return negative ? select(negative, fraction_of_pi(1) - angle, angle) : angle;
}

Value asin(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  const Value magnitude = b.unary(Opcode::abs, x);
  const Extended y{arithmetic, widen(magnitude, arithmetic)};
  const Value angle = narrow(atan_kernel(y, sqrt(one_minus_square(y))).value(), x.type());
  const Value inside = b.select(magnitude <= 1, copy_sign(angle, x), nan(b, x.type()));
  return b.select(is_tiny(x, arithmetic), x, inside);
}

Value acos(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  const Value magnitude = b.unary(Opcode::abs, x);
  const Extended adjacent{arithmetic, widen(magnitude, arithmetic)};
  const Extended angle = atan_kernel(sqrt(one_minus_square(adjacent)), adjacent, x < 0);
  return b.select(magnitude <= 1, narrow(angle.value(), x.type()), nan(b, x.type()));
}

Value atan(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(x.type(), options);
  const Value magnitude = widen(b.unary(Opcode::abs, x), arithmetic);
  // Beyond the limit the result is pi/2.
  const Extended y{arithmetic, clamp(magnitude, -1, arithmetic.pick(0x1p60, 0x1p60, 0x1p100))};
  const Extended angle = atan_kernel(y, constant(b, arithmetic, 1));
  return b.select(is_tiny(x, arithmetic), x, copy_sign(narrow(angle.value(), x.type()), x));
}

// Scaled so that the larger of both lies in [1, 2): quotients that are lost to underflow then
// are answered by y / x itself, or do not matter next to a multiple of pi/2.
Value atan2(Value y, Value x, const MathOptions& options) {
  return atan2(Argument{y}, Argument{x}, options);
}

Value atan2(const Argument& ordinate, const Argument& abscissa, const MathOptions& options) {
  const Value y = ordinate.value, x = abscissa.value;
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value inf = infinity(b, t);
  const Argument opposite = abs(ordinate), adjacent = abs(abscissa);
  Value abs_y = opposite.value, abs_x = adjacent.value;
  const Value y_infinite = abs_y == inf, x_infinite = abs_x == inf;
  const Value any_infinite = y_infinite | x_infinite;
  const Value one = like(x, 1), zero = b.zero(t);
  // An infinite operand counts as 1 and a finite one beside it as 0; (0, 0) becomes (0, 1).
  abs_y = b.select(any_infinite, b.select(y_infinite, one, zero), abs_y);
  abs_x = b.select(any_infinite, b.select(x_infinite, one, zero), abs_x);
  abs_x = b.select((abs_y == 0) & (abs_x == 0), one, abs_x);
  const Value top_sign = b.bitcast(top_word(x), kS32) < 0;

  Extended scaled_y{arithmetic, widen(abs_y, arithmetic)},
      scaled_x{arithmetic, widen(abs_x, arithmetic)};
  Value small_quotient;
  if (arithmetic.is_pair()) {
    const double up = is_f64(t) ? 0x1p200 : 0x1p60, low = is_f64(t) ? 0x1p-500 : 0x1p-60;
    const Value larger = b.select(abs_y > abs_x, abs_y, abs_x);
    const Value factor = b.select(larger < low, like(x, up), one);
    scaled_y.hi = abs_y * factor, scaled_x.hi = abs_x * factor;
    const Value top = top_word(larger * factor);
    const int shift = exponent_shift(t);
    // 2^(bias - exponent), kept in the normal range.
    const Value down =
        b.bitcast(b.binary(Opcode::min, top >> shift, b.u32(2 * exponent_bias(t) - 1)), kS32);
    const Value power = power_of_two(-down + exponent_bias(t), t);
    scaled_y.hi = scaled_y.hi * power, scaled_x.hi = scaled_x.hi * power;
    const auto scaled_rest = [&](Value rest) {
      return rest ? b.select(any_infinite, zero, rest * factor * power) : Value();
    };
    scaled_y.lo = scaled_rest(opposite.rest), scaled_x.lo = scaled_rest(adjacent.rest);
    small_quotient = (scaled_y.hi < arithmetic.pick(1.0, 0x1p-30, 0x1p-60)) & !top_sign;
  }
  Value result = narrow(atan_kernel(scaled_y, scaled_x, top_sign).value(), t);
  if (small_quotient) {
    const bool whole = opposite.rest || adjacent.rest;
    const Value quotient =
        whole ? divide({abs_y, opposite.rest}, {abs_x, adjacent.rest}, options, Rounding::nearest)
              : div(abs_y, abs_x, options);
    result = b.select(small_quotient, quotient, result);
  }
  const Value ordered = (x == x) & (y == y);
  return b.select(ordered, copy_sign(result, y), nan(b, t));
}

}  // namespace nxv::ir::math
