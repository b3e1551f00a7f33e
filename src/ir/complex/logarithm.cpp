// log and log1p: log |z| from |z|^2 = x^2 + y^2, and the angle.
#include "ir/complex/logarithm.h"

#include "ir/complex/modulus.h"
#include "ir/math/bits.h"

namespace nxv::ir::complex {
namespace {

using math::Extended;
using math::LogArgument;

Value doubled_exponent(const Scaled& s, const Context& c) {
  return s.exponent ? c.b.convert(s.exponent << 1, c.base) : Value();
}

// log |z|; of 0: -inf. Of a NaN and a number the package takes |z| to be infinite. `minus_one` is
// |z|^2 - 1, where the caller knows it better than z shows it.
Value log_of_modulus(const Complex& z, Value minus_one, const Context& c) {
  Builder& b = c.b;
  const Scaled s = scale(z, c);
  LogArgument argument{
      {c.arithmetic, s.larger * s.larger + s.smaller * s.smaller}, {}, doubled_exponent(s, c)};
  // Near |z| = 1 the logarithm is as small as this difference.
  argument.minus_one = (s.larger - 1) * (s.larger + 1) + s.smaller * s.smaller;
  if (minus_one) {
    argument.minus_one =
        s.exponent ? b.select(s.exponent == 0, minus_one, argument.minus_one) : minus_one;
  }
  const Value half = math::log_kernel(argument).value() * 0.5;
  const Value finite = b.select(s.larger == 0, c.number(-HUGE_VAL), half);
  const Value other = b.select(math::is_nan(z.re) & math::is_nan(z.im), c.nan(), c.infinity());
  return b.select(c.is_finite(z), finite, other);
}

}  // namespace

Complex log(const Complex& z, const Context& c) {
  return {log_of_modulus(z, {}, c), math::atan2(z.im, z.re, c.options)};
}

Complex log1p(const Complex& z, const Context& c) {
  const Complex moved{z.re + 1, z.im + c.zero()};
  const Value minus_one = z.re * (z.re + 2) + z.im * z.im;
  return {log_of_modulus(moved, minus_one, c), math::atan2(moved.im, moved.re, c.options)};
}

PreciseLog precise_log(const Complex& z, Value rest, const Context& c) {
  Builder& b = c.b;
  const Scaled s = scale(z, c);
  const auto square = [&](Value v) { return math::two_product(c.arithmetic, v, v); };
  LogArgument argument{
      square(s.larger) + square(s.smaller), {}, doubled_exponent(s, c), c.arithmetic.is_pair()};
  if (rest) {
    Extended integer{c.arithmetic, s.x, rest};
    if (s.exponent) integer.lo = rest * math::power_of_two(-s.exponent, c.base);
    argument.a = integer * integer;
  }
  if (!c.arithmetic.is_pair()) {
    argument.minus_one = (s.larger - 1) * (s.larger + 1) + s.smaller * s.smaller;
  }
  Extended re = math::scale(math::log_kernel(argument), c.number(0.5));
  const Value other = b.select(math::is_nan(z.re) & math::is_nan(z.im), c.nan(), c.infinity());
  const Value finite = c.is_finite(z);
  re.hi = b.select(finite, re.hi, other);

  // An infinite part counts as 1 and a finite one beside it as 0.
  const Value x_infinite = math::is_infinity(z.re), y_infinite = math::is_infinity(z.im);
  const Value any = x_infinite | y_infinite;
  const auto length = [&](Value part, Value infinite) {
    const Value special = b.select(infinite, c.number(1), c.zero());
    return Extended{c.arithmetic, b.select(any, special, b.unary(Opcode::abs, part))};
  };
  const auto negative = [&](Value v) { return b.bitcast(math::top_word(v), kS32) < 0; };
  Extended im = math::atan_kernel(length(s.y, y_infinite), length(s.x, x_infinite), negative(z.re));
  im = math::select(negative(z.im), -im, im);
  const Value ordered = !(math::is_nan(z.re) | math::is_nan(z.im));
  im.hi = b.select(ordered, im.hi, c.nan());
  if (re.lo) re.lo = b.select(finite, re.lo, c.zero());
  if (im.lo) im.lo = b.select(ordered, im.lo, c.zero());
  return {re, im};
}

}  // namespace nxv::ir::complex
