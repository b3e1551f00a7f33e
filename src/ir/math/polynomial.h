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

// With the constant term added in the carrier's precision; it must dominate the rest.
inline Extended extended_polynomial(const Extended& x, const Fit& fit) {
  const auto c = fit.of(x.arithmetic);
  const Extended first = constant(x.builder(), x.arithmetic, c[0].hi, c[0].lo);
  const Extended sum = fast_two_sum(x.arithmetic, first.hi, x.hi * polynomial(x.hi, c.subspan(1)));
  return first.lo ? correct(sum, first.lo) : sum;
}

}  // namespace nxv::ir::math
