// sinh, cosh, tanh; sin, cos, tan as those of i z.
#include "ir/complex/complex.h"
#include "ir/math/bits.h"

namespace nxv::ir::complex {
namespace {

using math::Extended;
using math::SinCos;

// cosh x = cosh 2^n, sinh x = sinh 2^n.
struct Hyperbolic {
  Value cosh, sinh, n;
};

// From e^|x| and its inverse.
Hyperbolic hyperbolic(Value x, double limit, const Context& c) {
  Builder& b = c.b;
  const math::Arithmetic& arithmetic = c.arithmetic;
  const Value magnitude = math::clamp(b.unary(Opcode::abs, x), -1, limit);
  const math::Exponential e = math::exp_kernel({arithmetic, magnitude});
  const Extended rising = e.mantissa();
  const Value lower = b.binary(Opcode::max, -(e.n << 1), b.s32(-120));
  const Extended falling =
      math::scale(math::constant(b, arithmetic, 1) / rising, math::power_of_two(lower, c.base));
  const Value sinh =
      b.select(math::is_tiny(x, arithmetic), magnitude + magnitude, (rising - falling).value());
  return {(rising + falling).value(), math::copy_sign(sinh, x), e.n - 1};
}

// The value at z = inf + i y: an infinite sine or cosine, which the package gives no sign to where
// it does not exist.
Complex with_specials(const Complex& v, const Complex& z, Value infinite, const Context& c) {
  Builder& b = c.b;
  const Value far = math::is_infinity(z.re);
  return {b.select(far & math::is_nan(z.im), infinite, v.re),
          b.select(far & (z.im == 0), c.nan(), v.im)};
}

Complex sinh_of_finite(const Complex& z, const SinCos& y, const Context& c) {
  const Hyperbolic x = hyperbolic(z.re, c.exponent_limit(), c);
  return {math::apply_exponent(x.sinh * y.cos, x.n, c.arithmetic),
          math::apply_exponent(x.cosh * y.sin, x.n, c.arithmetic)};
}

Complex cosh_of_finite(const Complex& z, const SinCos& y, const Context& c) {
  const Hyperbolic x = hyperbolic(z.re, c.exponent_limit(), c);
  return {math::apply_exponent(x.cosh * y.cos, x.n, c.arithmetic),
          math::apply_exponent(x.sinh * y.sin, x.n, c.arithmetic)};
}

// i z, and -i w: f(z) = -i g(i z) for f = sin, tan and g = sinh, tanh.
Complex times_i(const Complex& z) { return {-z.im, z.re}; }
Complex over_i(const Complex& w) { return {w.im, -w.re}; }

Complex defined_on_finite_reals(const Complex& v, const Complex& z, const Context& c) {
  return c.select(c.is_finite(z.re), v, c.both_nan());
}

// v, which is zero where x is, also beside an infinity or NaN.
Value zero_of(Value x, Value v) { return x.builder().select(x == 0, x, v); }

// (sinh x cosh x + i sin y cos y) / (sinh^2 x + cos^2 y)
Complex hyperbolic_tangent(const Complex& z, const Context& c) {
  const SinCos y = c.sin_cos(z.im);
  // Beyond the limit the result is 1 to more digits than there are.
  const Hyperbolic x = hyperbolic(z.re, c.arithmetic.pick(300.0, 40.0, 300.0), c);
  const Value power = math::power_of_two(x.n, c.base);
  const Value sinh = x.sinh * power, cosh = x.cosh * power;
  const Value square = sinh * sinh + y.cos * y.cos;
  const Complex v{math::div(sinh * cosh, square, c.options),
                  math::div(y.sin * y.cos, square, c.options)};
  const Complex one{math::copy_sign(c.number(1), z.re), c.number(0)};
  const Complex w = c.select(math::is_infinity(z.re), one, v);
  return {zero_of(z.re, w.re), zero_of(z.im, w.im)};
}

}  // namespace

Complex sinh(const Complex& z, const Context& c) {
  return with_specials(sinh_of_finite(z, c.sin_cos(z.im), c), z, z.re, c);
}

Complex cosh(const Complex& z, const Context& c) {
  return with_specials(cosh_of_finite(z, c.sin_cos(z.im), c), z, c.infinity(), c);
}

// The package divides infinities where the imaginary part is neither zero nor infinite.
Complex tanh(const Complex& z, const Context& c) {
  const Value undefined = math::is_infinity(z.re) & c.is_finite(z.im) & (z.im != 0);
  return c.select(undefined, c.both_nan(), hyperbolic_tangent(z, c));
}

Complex sin(const Complex& z, const Context& c) {
  const Complex v = over_i(sinh_of_finite(times_i(z), c.sin_cos(z.re), c));
  return defined_on_finite_reals({zero_of(z.re, v.re), v.im}, z, c);
}

Complex cos(const Complex& z, const Context& c) {
  const Complex v = cosh_of_finite(times_i(z), c.sin_cos(z.re), c);
  const Value im = c.b.select(math::is_nan(z.im), zero_of(z.re, v.im), v.im);
  return defined_on_finite_reals({v.re, im}, z, c);
}

Complex tan(const Complex& z, const Context& c) {
  return defined_on_finite_reals(over_i(hyperbolic_tangent(times_i(z), c)), z, c);
}

}  // namespace nxv::ir::complex
