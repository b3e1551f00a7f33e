// asin, acos, atan, asinh, acosh, atanh, after Kahan ("Branch cuts for complex elementary
// functions", 1987): computed in the first quadrant and reflected into the others.
#include "ir/complex/modulus.h"
#include "ir/math/bits.h"

namespace nxv::ir::complex {
namespace {

constexpr double kPi = 0x1.921fb54442d18p+1;

Complex absolute(const Complex& z) {
  Builder& b = z.re.builder();
  return {b.unary(Opcode::abs, z.re), b.unary(Opcode::abs, z.im)};
}

Complex defined_on_finite(const Complex& v, const Complex& z, const Context& c) {
  return c.select(c.is_finite(z), v, c.both_nan());
}

// At z = inf + i y with a finite y, not 0, the package's log(z + sqrt(z^2 + 1)) and the like meet
// inf + i inf, or inf - i inf.
Complex defined_to_the_right(const Complex& v, const Complex& z, const Context& c) {
  const Value right = (z.re == c.infinity()) & c.is_finite(z.im) & (z.im != 0);
  const Complex diagonal{c.infinity(), math::copy_sign(c.number(kPi / 4), z.im)};
  return c.select(right, diagonal, defined_on_finite(v, z, c));
}

Value negate_if(Value condition, Value v) { return v.builder().select(condition, -v, v); }

// For z in the first quadrant: acosh z = height + i angle and asin z = slope + i height, angle and
// slope being pi/2 together.
class Quadrant {
 public:
  Quadrant(const Complex& z, const Context& c) : c_(c) {
    Builder& b = c.b;
    // Far out only the logarithm of |z| grows, by log 4 for this factor.
    const Value larger = b.select(z.re < z.im, z.im, z.re);
    const Value far = larger > c.arithmetic.pick(0x1p100, 0x1p100, 0x1p1000);
    const Value factor = b.select(far, c.number(0.25), c.number(1));
    x_ = z.re * factor;
    const Value y = z.im * factor;
    minus_ = finite_root({x_ - 1, y}, c);
    plus_ = finite_root({x_ + 1, y}, c);
    const Value sinh = plus_.re * minus_.re + plus_.im * minus_.im;
    height = math::asinh(sinh, c.options) + b.select(far, c.number(0x1.62e42fefa39efp+0), c.zero());
  }

  Value height;
  Value angle() const { return math::atan2(minus_.im, plus_.re, c_.options) * 2; }
  Value slope() const {
    return math::atan2(x_, plus_.re * minus_.im + plus_.im * minus_.re, c_.options);
  }

 private:
  const Context& c_;
  Value x_;
  Complex minus_, plus_;  // roots of z - 1 and z + 1
};

// log(z + sqrt(z^2 - 1)): the root is that of acosh on the right of the imaginary axis, and its
// negative on the left; on the axis above and below 0. -0 counts as +0.
Complex area_cosine(const Complex& z, const Context& c) {
  Builder& b = c.b;
  const Quadrant q(absolute(z), c);
  const Value below = z.im < 0, on_axis = z.re == 0;
  const Value left = (z.re < 0) | (on_axis & below);
  const Value angle = q.angle();
  const Value unsigned_angle = b.select(left, c.number(kPi) - angle, angle);
  const Value above_left = (z.re < 0) & (z.im > 0), below_right = (z.re > 0) & below;
  return {negate_if(left, q.height), negate_if(above_left | below_right, unsigned_angle)};
}

// Of finite z but for the poles; the sign of the imaginary part of a real z tells the side of the
// cut. By odd symmetry in the first quadrant:
// log1p(4 x / ((1 - x)^2 + y^2)) / 4 + i atan2(2 y, (1 - x) (1 + x) - y^2) / 2
Complex area_tangent(const Complex& z, const Context& c) {
  Builder& b = c.b;
  const Complex a = absolute(z);
  const bool is_f64 = c.base == kF64;
  // Far out atanh z is 1 / z + i pi/2: brought near by a factor that returns with the real part.
  const double limit = is_f64 ? 0x1p60 : 0x1p30;
  const Value larger = b.select(a.re < a.im, a.im, a.re);
  const Value far = larger > limit;
  const Value factor =
      math::div(c.number(limit), b.select(far, larger, c.number(limit)), c.options);
  const Value x = a.re * factor, y = a.im * factor;
  const Value distance = like(x, 1) - x;
  // At x = 1 the square of y alone may be lost to underflow.
  const double lift = is_f64 ? 0x1p500 : 0x1p60;
  const Value close = (distance == 0) & (y < 1 / lift);
  const Value near_y = b.select(close, y * lift, y);
  const Value quotient = math::div(x * 4, distance * distance + near_y * near_y, c.options);
  const Value log =
      math::log1p(quotient, c.options) + b.select(close, c.number(2 * std::log(lift)), c.zero());
  const Value angle = math::atan2(y + y, distance * (x + 1) - y * y, c.options);
  return {math::copy_sign(log * 0.25 * factor, z.re), math::copy_sign(angle * 0.5, z.im)};
}

}  // namespace

Complex asin(const Complex& z, const Context& c) {
  const Quadrant q(absolute(z), c);
  return defined_on_finite({math::copy_sign(q.slope(), z.re), negate_if(z.im < 0, q.height)}, z, c);
}

// -i acosh z, by the package's formula.
Complex acos(const Complex& z, const Context& c) {
  const Complex w = area_cosine(z, c);
  return defined_on_finite({w.im, -w.re}, z, c);
}

Complex acosh(const Complex& z, const Context& c) {
  return defined_to_the_right(area_cosine(z, c), z, c);
}

// -i asin(i z). log(z + sqrt(z^2 + 1)) lies above the real axis for the upper cut, below for the
// lower.
Complex asinh(const Complex& z, const Context& c) {
  const Complex a = absolute(z);
  const Quadrant q({a.im, a.re}, c);
  const Value below = z.im < 0;
  const Value negative = (z.re < 0) | ((z.re == 0) & below);
  const Complex v{negate_if(negative, q.height), math::copy_sign(q.slope(), z.im)};
  return defined_to_the_right(v, z, c);
}

// -i atanh(i z). On the cuts the real part has the sign of the imaginary one.
Complex atan(const Complex& z, const Context& c) {
  Builder& b = c.b;
  const Value height = b.unary(Opcode::abs, z.im), on_axis = z.re == 0;
  const Value x = b.select(on_axis & (height > 1), math::copy_sign(z.re, z.im), z.re);
  const Complex w = area_tangent({-z.im, x}, c);
  const Complex pole{c.nan(), math::copy_sign(c.infinity(), z.im)};
  return defined_on_finite(c.select(on_axis & (height == 1), pole, {w.im, -w.re}), z, c);
}

Complex atanh(const Complex& z, const Context& c) {
  const Complex w = area_tangent({z.re, z.im + c.zero()}, c);
  const Value real = z.im == 0;
  const Complex below{c.number(-HUGE_VAL), c.nan()};
  const Complex inside = c.select(real & (z.re == -1), below, w);
  return defined_on_finite(c.select(real & (z.re == 1), c.both_nan(), inside), z, c);
}

}  // namespace nxv::ir::complex
