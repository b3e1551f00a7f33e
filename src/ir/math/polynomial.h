// Polynomials with coefficients fitted to a carrier.
#pragma once

#include <span>

#include "ir/math/extended.h"

namespace nxv::ir::math {

struct Coefficient {
  double hi, lo;
};

// One polynomial per carrier, lowest order first.
struct Fit {
  std::span<const Coefficient> f64, pair_f32, pair_f64;
  std::span<const Coefficient> of(const Arithmetic& a) const {
    return a.pick(f64, pair_f32, pair_f64);
  }
};

// In the base precision.
inline Value polynomial(Value x, std::span<const Coefficient> c) {
  Builder& b = x.builder();
  Value sum = like(x, c.back().hi);
  for (size_t i = c.size() - 1; i-- > 0;) sum = b.fma(sum, x, like(x, c[i].hi));
  return sum;
}

// x n(x^2) / d(x^2) within the limit on either side of zero, and beyond as at the limit. Of NaN
// anything.
inline Value odd_quotient(Value x, double limit, std::span<const Coefficient> n,
                          std::span<const Coefficient> d) {
  Builder& b = x.builder();
  const Value below = b.binary(Opcode::min, x, like(x, limit));
  const Value limited = b.binary(Opcode::max, below, like(x, -limit));
  const Value square = limited * limited;
  return limited * polynomial(square, n) / polynomial(square, d);
}

// With the lowest `extended_terms` coefficients added in the carrier's precision; each must
// dominate the terms above it.
inline Extended extended_polynomial(const Extended& x, const Fit& fit, size_t extended_terms = 1) {
  const auto c = fit.of(x.arithmetic);
  size_t i = extended_terms - 1;
  const auto term = [&] { return constant(x.builder(), x.arithmetic, c[i].hi, c[i].lo); };
  const Extended last = term();
  Extended sum =
      fast_two_sum(x.arithmetic, last.hi, x.hi * polynomial(x.hi, c.subspan(extended_terms)));
  if (last.lo) sum = correct(sum, last.lo);
  while (i-- > 0) sum = term() + x * sum;
  return sum;
}

}  // namespace nxv::ir::math
