// exp, expm1, sigmoid, pow: e^(x + iy) = e^x (cos y + i sin y), with the power of two of e^x
// applied last.
#include "ir/complex/logarithm.h"
#include "ir/math/bits.h"

namespace nxv::ir::complex {
namespace {

using math::Exponential;
using math::Extended;
using math::SinCos;

// q (cos + i sin) 2^n
Complex turn(Value q, const SinCos& angle, Value n, const Context& c) {
  return {math::apply_exponent(q * angle.cos, n, c.arithmetic),
          math::apply_exponent(q * angle.sin, n, c.arithmetic)};
}

// e^x - 1 for x below overflow, from e^x = (1 + fraction) 2^n.
Value less_one(const Exponential& e, Value n) {
  const math::Arithmetic& arithmetic = e.fraction.arithmetic;
  Builder& b = n.builder();
  const Value power = math::power_of_two(b.binary(Opcode::max, n, b.s32(-100)), arithmetic.base());
  return (math::two_sum(arithmetic, power, like(power, -1)) + math::scale(e.fraction, power))
      .value();
}

// cos y and sin y from the functions of y / 2; 1 + cos y and 1 - cos y are exact to the last place.
struct FromHalf {
  SinCos half;
  Value one_minus_cos() const { return (half.sin + half.sin) * half.sin; }
  Value one_plus_cos() const { return (half.cos + half.cos) * half.cos; }
  Value cos() const { return like(half.sin, 1) - one_minus_cos(); }
  Value sin() const { return (half.sin + half.sin) * half.cos; }
};

Value limit_exponent(Value x, const Context& c) {
  return math::clamp(x, -c.exponent_limit(), c.exponent_limit());
}

// v with the special values that e^z has for z with an infinite real part: (inf, NaN) where the
// sine is 0 or the angle NaN, and (low, 0) at -inf. A zero imaginary part of a finite z passes on.
Complex with_specials(const Complex& v, const Complex& z, Value low, const Context& c) {
  Builder& b = c.b;
  const Value up = z.re == c.infinity(), down = z.re == c.number(-HUGE_VAL);
  const Value im = b.select(z.im == 0, b.select(c.is_finite(z.re), z.im, c.nan()), v.im);
  return {b.select(down, low, b.select(up & math::is_nan(z.im), c.infinity(), v.re)),
          b.select(down, c.number(0), im)};
}

}  // namespace

Complex exp(const Complex& z, const Context& c) {
  const Exponential e = math::exp_kernel({c.arithmetic, limit_exponent(z.re, c)});
  const Complex v = turn(e.mantissa().value(), c.sin_cos(z.im), e.n, c);
  return with_specials(v, z, c.number(0), c);
}

// (e^x - 1) cos y - (1 - cos y) + i e^x sin y. Where 1 does not matter, the power of two is applied
// last.
Complex expm1(const Complex& z, const Context& c) {
  Builder& b = c.b;
  const Exponential e = math::exp_kernel({c.arithmetic, limit_exponent(z.re, c)});
  const FromHalf y{c.sin_cos(z.im * 0.5)};
  const Value large = z.re > c.arithmetic.pick(80.0, 40.0, 80.0);
  const Value first = b.select(large, b.s32(0), e.n), last = b.select(large, e.n, b.s32(0));
  const Value grown = math::apply_exponent(e.mantissa().value(), first, c.arithmetic);
  const Value less = b.select(large, grown, less_one(e, first));
  const Value re = less * y.cos() - b.select(large, c.zero(), y.one_minus_cos());
  const Complex v{math::apply_exponent(re, last, c.arithmetic),
                  math::apply_exponent(grown * y.sin(), last, c.arithmetic)};
  return with_specials(v, z, c.number(-1), c);
}

// 1 / (1 + u) with u = e^-z on the right, u / (1 + u) with u = e^z on the left: |u| <= 1. Near the
// poles 1 + u = (|u| - 1) cos y + (1 + cos y) + i |u| sin y keeps its digits.
Complex sigmoid(const Complex& z, const Context& c) {
  Builder& b = c.b;
  const Value left = z.re < 0;
  const Exponential e =
      math::exp_kernel({c.arithmetic, limit_exponent(-b.unary(Opcode::abs, z.re), c)});
  const FromHalf y{c.sin_cos(z.im * 0.5)};
  const Value length = math::apply_exponent(e.mantissa().value(), e.n, c.arithmetic);
  const Value sine = y.sin(), cosine = y.cos();
  const Complex u{length * cosine, length * b.select(left, sine, -sine)};
  const Complex d{less_one(e, e.n) * cosine + y.one_plus_cos(), u.im};
  const Complex n = c.select(left, u, {c.number(1), c.zero()});
  const Value square = d.re * d.re + d.im * d.im;
  const Complex v{math::div(n.re * d.re + n.im * d.im, square, c.options),
                  math::div(n.im * d.re - n.re * d.im, square, c.options)};
  const Complex one{c.number(1), c.number(0)};
  const Complex right = c.select(z.re == c.infinity(), one, v);
  return c.select(z.re == c.number(-HUGE_VAL), c.both_nan(), right);
}

// e^(w log z). Where the carrier is a pair, logarithm and product keep both parts of it, as long as
// nothing in them is special.
Complex pow(const Complex& z, const Complex& w, const Context& c, Value z_rest, Value w_rest) {
  Builder& b = c.b;
  const PreciseLog log = precise_log(z, z_rest, c);
  const Complex rounded{log.re.value(), log.im.value()};
  const Complex product = multiply(w, rounded);
  Extended re{c.arithmetic, product.re}, im{c.arithmetic, product.im};
  if (c.arithmetic.is_pair()) {
    const Extended x{c.arithmetic, w.re, w_rest}, y{c.arithmetic, w.im};
    const Extended precise_re = x * log.re - y * log.im, precise_im = x * log.im + y * log.re;
    const double limit = c.arithmetic.pick(0.0, 0x1p60, 0x1p400);
    Value small = b.boolean(true);
    for (Value v : {w.re, w.im, product.re, product.im}) {
      small = small & (b.unary(Opcode::abs, v) < limit);
    }
    // The second part of an angle must be small.
    const double whole = c.arithmetic.pick(0.0, 0x1p23, 0x1p52);
    const Value turns = small & (b.unary(Opcode::abs, product.im) < whole);
    const auto choose = [&](Value is_precise, const Extended& precise, Value plain) -> Extended {
      return {c.arithmetic, b.select(is_precise, precise.hi, plain),
              b.select(is_precise, precise.lo, c.zero())};
    };
    re = choose(small, precise_re, product.re);
    im = choose(turns, precise_im, product.im);
  }
  Extended limited{c.arithmetic, limit_exponent(re.hi, c)};
  if (re.lo) limited.lo = b.select(limited.hi == re.hi, re.lo, c.zero());
  const Exponential e = math::exp_kernel(limited);
  const SinCos angle = math::sin_cos_kernel(im.hi, im.lo, c.arithmetic);
  const Complex v = turn(e.mantissa().value(), angle, e.n, c);
  const Complex power = with_specials(v, {re.hi, im.hi}, c.number(0), c);

  const Complex defined = c.select(c.is_finite(z), power, c.both_nan());
  const Complex none{c.number(0), c.number(0)}, one{c.number(1), c.number(0)};
  const Value at_zero = (z.re == 0) & (z.im == 0);
  const Complex of_zero = c.select(w.re < 0, c.both_nan(), none);
  return c.select((w.re == 0) & (w.im == 0), one, c.select(at_zero, of_zero, defined));
}

}  // namespace nxv::ir::complex
