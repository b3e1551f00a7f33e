// erf, erfc, erf_inv.
#include "ir/math/bits.h"
#include "ir/math/coefficients.h"
#include "ir/math/kernels.h"

namespace nxv::ir::math {
namespace {

// erf(x) for |x| <= 1/2.
Extended erf_near_zero(const Extended& x) {
  const Value z = x.hi * x.hi;
  const auto c = kErf.of(x.arithmetic);
  // The constant term times x is the larger part of the correction.
  const Extended first = x * constant(x.builder(), x.arithmetic, c[0].hi, c[0].lo);
  const Value rest = x.hi * (z * polynomial(z, c.subspan(1)));
  return correct(x + first, rest);
}

// erfc(x) = mantissa * 2^n for x >= 1/2.
struct Scaled {
  Extended mantissa;
  Value n;
};

Scaled erfc_tail(const Extended& x) {
  Builder& b = x.builder();
  const Arithmetic& arithmetic = x.arithmetic;
  const Extended t{arithmetic, (x.hi - 3) / (x.hi + 3)};
  const Exponential e = exp_kernel(-(x * x));
  const Extended denominator = constant(b, arithmetic, 1) + scale(x, like(x.hi, 2));
  return {e.mantissa() * extended_polynomial(t, kErfc) / denominator, e.n};
}

// Products of small numbers and their errors are taken at a larger scale, away from subnormals.
struct Rescaled {
  Value x, power;  // the original is x * power
};

Rescaled away_from_subnormals(Value x, const Arithmetic& arithmetic) {
  Builder& b = x.builder();
  const Value one = like(x, 1);
  if (!arithmetic.is_pair()) return {x, one};
  const bool wide = is_f64(x.type());
  const Value small = b.unary(Opcode::abs, x) < (wide ? 0x1p-900 : 0x1p-90);
  return {x * b.select(small, like(x, 0x1p60), one), b.select(small, like(x, 0x1p-60), one)};
}

// |x|, within [1/2, the point from which erfc is 0].
Value tail_argument(Value magnitude, const Arithmetic& arithmetic) {
  return clamp(magnitude, 0.5, arithmetic.pick(10.5, 10.5, 27.5));
}

}  // namespace

Value erf(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value wide = widen(x, arithmetic);
  // 16-bit floats beyond 2.75 give 1.
  if (arithmetic.carrier == Carrier::f32) {
    return nan_or(odd_quotient(x, 2.75, kErfNumerator, kErfDenominator), x);
  }
  const Value magnitude = b.unary(Opcode::abs, wide);
  const Rescaled small = away_from_subnormals(clamp(wide, -1, 1), arithmetic);
  const Value near = erf_near_zero({arithmetic, small.x}).value() * small.power;
  const Scaled tail =
      erfc_tail({arithmetic, clamp(magnitude, 0.5, arithmetic.pick(6.0, 6.0, 7.0))});
  const Extended far =
      constant(b, arithmetic, 1) - scale(tail.mantissa, power_of_two(tail.n, arithmetic.base()));
  const Value is_near = magnitude < 0.5;
  return copy_sign(narrow(b.select(is_near, near, far.value()), t), x);
}

Value erfc(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value wide = widen(x, arithmetic);
  const Value magnitude = b.unary(Opcode::abs, wide);
  const Extended near =
      constant(b, arithmetic, 1) - erf_near_zero({arithmetic, clamp(wide, -1, 1)});
  const Scaled tail = erfc_tail({arithmetic, tail_argument(magnitude, arithmetic)});
  const Value positive = apply_exponent(tail.mantissa.value(), tail.n, arithmetic);
  // Of 2 - erfc(|x|) only the leading bits of erfc matter.
  const Value n = b.binary(Opcode::max, tail.n, b.s32(-100));
  const Extended negative =
      constant(b, arithmetic, 2) - scale(tail.mantissa, power_of_two(n, arithmetic.base()));
  const Value far = b.select(wide < 0, negative.value(), positive);
  return narrow(b.select(magnitude < 0.5, near.value(), far), t);
}

// x p(w) with w = -log(1 - x^2): a polynomial about a centre in w, in sqrt(w) for the tails.
//
// f32 has the polynomials of M. Giles, "Approximating the erfinv function" (GPU Computing Gems Jade
// Edition, 2011), as the other backends of Nx: its normal random numbers are made of erf_inv, and
// so a seed gives the same ones. In f64 every step rounds as theirs does.
Value erf_inv(Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value magnitude = b.unary(Opcode::abs, x);
  const Value wide = widen(b.select(magnitude < 1, x, like(x, 0.5)), arithmetic);
  const Rescaled rescaled = away_from_subnormals(wide, arithmetic);
  const Extended limited{arithmetic, rescaled.x};
  const Extended one = constant(b, arithmetic, 1);
  const Extended w = -log_kernel({(one - limited) * (one + limited)});
  const Value in_tail = w.hi >= arithmetic.pick(5.0, 5.0, 6.25);
  // Either polynomial takes its centre where the other one is wanted.
  const double centre = arithmetic.pick(2.5, 2.5, 3.0),
               tail_centre = arithmetic.pick(3.0, 3.0, 4.0);
  const Extended middle = constant(b, arithmetic, centre);
  const Extended body = select(in_tail, middle, w) - middle;
  const Extended tail_square = constant(b, arithmetic, tail_centre * tail_centre);
  const Extended root =
      sqrt(select(in_tail, w, tail_square)) - constant(b, arithmetic, tail_centre);
  // In f64 all terms but the highest, so that no fma is among them.
  const size_t terms = arithmetic.pick(kErfInv.f64.size() - 1, size_t{2}, size_t{2});
  const Extended p = select(in_tail, extended_polynomial(root, kErfInvTail, terms),
                            extended_polynomial(body, kErfInv, terms));
  const Value inside = narrow((limited * p).value() * rescaled.power, t);
  const Value edge = b.select(magnitude == 1, infinity(b, t), nan(b, t));
  return copy_sign(b.select(magnitude < 1, inside, edge), x);
}

}  // namespace nxv::ir::math
