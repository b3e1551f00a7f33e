// Absolute value and roots.
#include "ir/complex/modulus.h"
#include "ir/math/bits.h"

namespace nxv::ir::complex {
namespace {

constexpr double kHalf = 0.5;

}  // namespace

// Where arguments have been widened, their squares have room. Elsewhere the exponent of the larger
// part is taken out, rounded to an even number; subnormals lose the smallest exponent.
Scaled scale(const Complex& z, const Context& c) {
  Builder& b = c.b;
  Scaled s;
  s.x = z.re, s.y = z.im;
  Value x = b.unary(Opcode::abs, z.re), y = b.unary(Opcode::abs, z.im);
  if (c.arithmetic.is_pair()) {
    const int shift = math::exponent_shift(c.base), bias = math::exponent_bias(c.base);
    const Value top = math::top_word(b.select(x < y, y, x)) >> shift;
    const Value odd = b.binary(Opcode::min, top | 1, b.u32(static_cast<uint32_t>(2 * bias - 1)));
    s.exponent = b.bitcast(odd, kS32) - bias;
    const Value factor = math::power_of_two(-s.exponent, c.base);
    s.x = s.x * factor, s.y = s.y * factor;
    x = x * factor, y = y * factor;
  }
  const Value steep = x < y;
  s.larger = b.select(steep, y, x);
  s.smaller = b.select(steep, x, y);
  s.radius = math::sqrt(s.larger * s.larger + s.smaller * s.smaller, c.options);
  return s;
}

Value Scaled::unscale(Value v) const {
  return exponent ? v * math::power_of_two(exponent, v.type()) : v;
}

Value Scaled::unscale_root(Value v) const {
  return exponent ? v * math::power_of_two(exponent >> 1, v.type()) : v;
}

// One part is sqrt((|z| + |x|) / 2), the other y over twice that.
Complex scaled_root(const Scaled& s, const Context& c) {
  Builder& b = c.b;
  const Value long_part = math::sqrt((s.radius + b.unary(Opcode::abs, s.x)) * kHalf, c.options);
  const Value divisor = b.select(s.larger == 0, c.number(1), long_part);
  const Value short_part = math::div(s.y * kHalf, divisor, c.options);
  const Value right = s.x >= 0;
  return {b.select(right, long_part, b.unary(Opcode::abs, short_part)),
          b.select(right, short_part, math::copy_sign(long_part, s.y))};
}

Complex finite_root(const Complex& z, const Context& c) {
  const Scaled s = scale(z, c);
  const Complex root = scaled_root(s, c);
  return {s.unscale_root(root.re), s.unscale_root(root.im)};
}

// Of a NaN and a number the package takes the absolute value to be infinite.
Value abs(const Complex& z, const Context& c) {
  Builder& b = c.b;
  const Scaled s = scale(z, c);
  const Value other = b.select(math::is_nan(z.re) & math::is_nan(z.im), c.nan(), c.infinity());
  return b.select(c.is_finite(z), s.unscale(s.radius), other);
}

Complex sqrt(const Complex& argument, const Context& c) {
  Builder& b = c.b;
  const Complex z{argument.re, argument.im + c.zero()};
  const Complex root = finite_root(z, c);
  // Infinite parts: the root of i inf is inf + i inf; else 0 or inf on the axes.
  const Value steep = math::is_infinity(z.im), right = z.re > 0;
  const Value inf = c.infinity(), none = c.number(0);
  const Complex infinite{b.select(steep | right, inf, none),
                         math::copy_sign(b.select(steep | !right, inf, none), z.im)};
  const Value ordered = !(math::is_nan(z.re) | math::is_nan(z.im));
  return c.select(c.is_finite(z), root, c.select(ordered, infinite, c.both_nan()));
}

// conj(sqrt(z)) / |z|
Complex rsqrt(const Complex& argument, const Context& c) {
  const Complex z{argument.re, argument.im + c.zero()};
  const Scaled s = scale(z, c);
  const Complex root = scaled_root(s, c);
  const auto finish = [&](Value part) {
    const Value quotient = math::div(part, s.radius, c.options);
    return s.exponent ? quotient * math::power_of_two(-(s.exponent >> 1), c.base) : quotient;
  };
  const Complex finite{finish(root.re), finish(-root.im)};
  const Value valid = c.is_finite(z) & (s.larger != 0);
  const Value infinite = (z.re == c.infinity()) & c.is_finite(z.im);
  const Complex none{c.number(0), c.number(0)};
  return c.select(valid, finite, c.select(infinite, none, c.both_nan()));
}

// cbrt|z| at a third of the angle, which is at most pi/3: sin and cos of a sixth give it.
Complex cbrt(const Complex& z, const Context& c) {
  Builder& b = c.b;
  const Scaled s = scale(z, c);
  Value radius = s.radius, power = c.number(1);
  if (s.exponent) {
    const Value third = s.exponent / 3;
    radius = radius * math::power_of_two(s.exponent - third * 3, c.base);
    power = math::power_of_two(third, c.base);
  }
  const Value length = math::cbrt(radius, c.options) * power;
  const Value sixth = math::atan2(z.im, z.re, c.options) * (1.0 / 6);
  const math::SinCos half = math::sin_cos_of_small(sixth, c.arithmetic);
  const Value twice_sin = half.sin + half.sin;
  const Complex finite{length * (like(sixth, 1) - twice_sin * half.sin),
                       length * (twice_sin * half.cos)};

  // The package has an infinite root for every number with an infinite part: with no imaginary part
  // for inf + i y.
  const Value inf = c.infinity(), right = z.re == inf;
  const Value any_infinite = math::is_infinity(z.re) | math::is_infinity(z.im);
  const Value down = (z.im < 0) & (z.re != c.number(-HUGE_VAL));
  const Value flat = math::copy_sign(c.number(0), z.im);
  const Value steep = b.select(down, c.number(-HUGE_VAL), inf);
  const Value im = b.select(right & c.is_finite(z.im), flat, steep);
  const Complex special = c.select(any_infinite, {inf, im}, c.both_nan());
  const Value zero = s.larger == 0;
  const Complex none{c.number(0), c.number(0)};
  return c.select(c.is_finite(z), c.select(zero, none, finite), special);
}

}  // namespace nxv::ir::complex
