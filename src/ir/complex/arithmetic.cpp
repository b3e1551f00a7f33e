#include "ir/complex/complex.h"

namespace nxv::ir::complex {

Complex multiply(const Complex& a, const Complex& b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

// Smith's algorithm: both parts of the divisor are divided by the larger one.
Complex divide(const Complex& a, const Complex& b, const Context& c) {
  const Value by_re = math::abs(b.re) >= math::abs(b.im);
  const auto pick = [&](Value yes, Value no) { return c.b.select(by_re, yes, no); };
  const auto quotient = [&](Value x, Value y) { return math::div(x, y, c.options); };
  const Value large = pick(b.re, b.im), small = pick(b.im, b.re);
  const Value first = pick(a.re, a.im), second = pick(a.im, a.re);
  const Value ratio = quotient(small, large);
  const Value divisor = large + small * ratio;
  const Value re = first + second * ratio, im = second - first * ratio;
  return {quotient(re, divisor), quotient(pick(im, -im), divisor)};
}

}  // namespace nxv::ir::complex
