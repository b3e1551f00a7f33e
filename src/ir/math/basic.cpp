// Division, remainder, rounding, signs, minimum and maximum.
#include "ir/math/bits.h"
#include "ir/math/extended.h"

namespace nxv::ir::math {
namespace {

// A finite nonzero f32 as significand * 2^(exponent - 150) with a significand of 24 bits.
struct Decoded {
  Value significand, exponent;  // u32, s32
};

Decoded decode_f32(Value magnitude) {
  Builder& b = magnitude.builder();
  const Value shift = b.unary(Opcode::clz, magnitude & 0x7fffff) - 8;
  const Value subnormal = magnitude < 0x800000;
  const Value significand =
      b.select(subnormal, magnitude << (shift & 31), (magnitude & 0x7fffff) | 0x800000);
  const Value exponent = b.select(subnormal, b.u32(1) - shift, magnitude >> 23);
  return {significand, b.bitcast(exponent, kS32)};
}

// Long division of the significands, 8 bits a step, rounded to nearest even in integers.
Value div_by_integers(Value x, Value y) {
  Builder& b = x.builder();
  const Value x_bits = b.bitcast(x, kU32), y_bits = b.bitcast(y, kU32);
  const Value x_magnitude = x_bits & 0x7fffffff, y_magnitude = y_bits & 0x7fffffff;
  const Decoded n = decode_f32(x_magnitude), d = decode_f32(y_magnitude);
  const Value less = n.significand < d.significand;
  Value rest = b.select(less, n.significand << 1, n.significand) - d.significand;
  Value quotient = b.u32(1);  // 1 and 24 more bits
  for (int step = 0; step < 3; ++step) {
    const Value shifted = rest << 8;
    const Value digit = shifted / d.significand;
    rest = shifted - digit * d.significand;
    quotient = (quotient << 8) | digit;
  }
  const Value exponent = n.exponent - d.exponent + 127 - b.convert(less, kS32);
  // One bit is dropped, more where the result is subnormal.
  const Value dropped = b.bitcast(
      b.binary(Opcode::min, b.binary(Opcode::max, b.s32(2) - exponent, b.s32(1)), b.s32(26)), kU32);
  const Value kept = quotient >> dropped;
  const Value half = b.u32(1) << (dropped - 1);
  const Value below = quotient - (kept << dropped);
  const Value odd_or_rest = ((kept & 1) != 0) | (rest != 0);
  const Value up = (below > half) | ((below == half) & odd_or_rest);
  const Value field = b.bitcast(b.binary(Opcode::max, exponent - 1, b.s32(0)), kU32);
  const Value finite = kept + (field << 23) + b.convert(up, kU32);
  const Value magnitude = b.select(exponent > 254, b.u32(0x7f800000), finite);
  const Value sign = (x_bits ^ y_bits) & 0x80000000u;
  auto is_special = [&](Value m) { return (m - 1) >= 0x7f7fffff; };  // 0, infinity, NaN
  // Quotients with a zero, an infinity or a NaN: an ordinary partner only lends its sign, since
  // native division may lose large and small ones on the way.
  const Value x_special = is_special(x_magnitude), y_special = is_special(y_magnitude);
  const auto unit = [&](Value bits) { return b.bitcast((bits & 0x80000000u) | 0x3f800000u, kF32); };
  const Value special = b.select(x_special, x, unit(x_bits)) / b.select(y_special, y, unit(y_bits));
  return b.select(x_special | y_special, special, b.bitcast(magnitude | sign, kF32));
}

// 1 / d for d in [2, 4), correctly rounded, by a fused fma and a native quotient that is off by a
// few units in the last place: two steps of Newton's iteration leave the one divisor whose digits
// are all 1 (P. Markstein, "Computation of elementary functions on the IBM RISC System/6000
// processor", IBM J. Res. Dev. 34, 1990). Infinities, zeros and NaN, whose residue is NaN, keep the
// native one.
Value rounded_reciprocal(Value d) {
  Builder& b = d.builder();
  const Value one = like(d, 1), native = one / d, bits = b.bitcast(d, kU32);
  const Value error = b.fma(-d, native, one);
  const Value once = b.fma(native, error, native);
  const Value twice = b.fma(once, b.fma(-d, once, one), once);
  const Value of_ones = b.bitcast((bits & 0x80000000u) | 0x3e800001u, kF32);
  const Value finite = b.select((bits & 0x7fffff) == 0x7fffffu, of_ones, twice);
  return b.select(b.unary(Opcode::abs, error) < 1, finite, native);
}

// x / y where f32 fma is fused and subnormals are flushed. What depends on y alone is computed once
// for all numbers that share it: d = y 2^-k in [2, 4) and r = 1 / d, correctly rounded. Then q = x
// r, e = x - q d, q' = q + e r; at the end a product by 2^-k.
//
// q' is x / d correctly rounded. Let x and d be in [1, 2), u = 2^-24, and m the middle of two
// neighbouring f32; q' is wrong only if x / d and q + e r are on different sides of some m. They
// differ by (x/d - q)(r d - 1), where |r d - 1| <= d u/2, and by r times the rounding of e.
// - x >= d: |x/d - q| < x u/2 + u < 2u, one unit in the last place: e is exact and |m - q| = u. But
//   x - m d is a multiple of 2 u^2 and not 0, so that |x/d - m| >= 2 u^2/d, and the difference is
//   at most u (1 + u) d u/2, which is less because d^2 <= 4 - 8u + 4u^2.
// - x < d, |m - q| = u/2: likewise, with half of each bound; again e is exact.
// - x < d, |m - q| = 3u/2: |x/d - q| <= x u/2 + u/2 comes within 3.5 u^2 of it only for
//   x > 2 - 7u, therefore d = 2 - 2u or 2 - 4u; trying the three pairs gives |x/d - q| < 1.1 u.
// The significand of x - q d ends 47 binary places below x: x is scaled to at least 2^-79 so that
// nothing is flushed on the way. A quotient too small for the last factor's range is below 2^-150.
Value div_by_reciprocal(Value x, Value y) {
  Builder& b = x.builder();
  const Value bits = b.bitcast(y, kU32), field = (bits >> 23) & 0xff;
  const Value significand = b.select(field == 255, bits, (bits & 0x807fffffu) | 0x40000000u);
  const Value divisor = b.bitcast(b.select(field == 0, bits & 0x80000000u, significand), kF32);
  const Value reciprocal = rounded_reciprocal(divisor);
  const Value power = b.bitcast((b.u32(255) - field) << 23, kF32);
  const Value lower_power =
      b.bitcast((b.binary(Opcode::max, b.u32(255) - field, b.u32(49)) - 48) << 23, kF32);

  const Value small = b.unary(Opcode::abs, x) < 0x1p-79;
  const Value dividend = x * b.select(small, b.f32(0x1p48f), b.f32(1));
  const Value estimate = dividend * reciprocal;
  const Value residue = b.fma(-estimate, divisor, dividend);
  const Value corrected = b.fma(residue, reciprocal, estimate);
  // The estimate stays where it is exact (a zero keeps its sign) and where the residue is NaN:
  // zeros, infinities.
  const Value quotient = b.select(b.unary(Opcode::abs, residue) > 0, corrected, estimate);
  return quotient * b.select(small, lower_power, power);
}

// x = significand * 2^exponent with an integer significand in its base type's full width.
struct Integral {
  Value significand, exponent;  // base type, s32
};

Integral integral(Value x, const Arithmetic& arithmetic) {
  Builder& b = x.builder();
  const Type base = arithmetic.base();
  const bool pair_f64 = arithmetic.carrier == Carrier::pair_f64;
  const int digits = pair_f64 ? 52 : 23;
  Value bias = b.s32(exponent_bias(base) + digits);
  if (arithmetic.is_pair()) {
    const Value subnormal = x < (pair_f64 ? 0x1p-1022 : 0x1p-126);
    x = b.select(subnormal, x * 0x1p60, x);
    bias = b.select(subnormal, bias + 60, bias);
  }
  const int shift = exponent_shift(base);
  const Value top = top_word(x);
  const Value kept = top & ((1u << shift) - 1);
  const uint32_t field = static_cast<uint32_t>(exponent_bias(base) + digits) << shift;
  return {with_top_word(x, kept | field), b.bitcast(top >> shift, kS32) - bias};
}

// Residues of an integer m, kept within [-m/2, m/2] so that every product is exact. A native
// quotient that is off by 2.5 ULP still leaves a remainder below 1.3 m, which is then centred
// before its two parts are added.
class Residues {
 public:
  Residues(Value modulus, const Arithmetic& arithmetic)
      : modulus_(modulus), half_(modulus * 0.5), arithmetic_(arithmetic) {}

  Value multiply(Value a, Value b) const { return reduce(two_product(arithmetic_, a, b)); }
  Value reduce(const Extended& p) const {
    Builder& b = modulus_.builder();
    const Value quotient = round_even(p.hi / modulus_);
    const Extended back = two_product(arithmetic_, quotient, modulus_);
    const Value high = p.hi - back.hi;
    if (!arithmetic_.is_pair()) return high;
    const Value low = p.lo ? p.lo - back.lo : -back.lo;
    const Value rest = high + low;
    const Value centred =
        b.select(rest > half_, high - modulus_, b.select(rest < -half_, high + modulus_, high));
    return centred + low;
  }
  Value center(Value r) const {
    Builder& b = r.builder();
    return b.select(r > half_, r - modulus_, b.select(r < -half_, r + modulus_, r));
  }

 private:
  Value modulus_, half_;
  Arithmetic arithmetic_;
};

}  // namespace

Value div(Value a, Value b, const MathOptions& options) {
  if (is_f64(a.type()) || options.exact_f32_div_sqrt) return a / b;
  if (options.fma_fused_f32 && !options.subnormals_preserved) return div_by_reciprocal(a, b);
  if (!options.f64) return div_by_integers(a, b);
  Builder& builder = a.builder();
  const Value dividend = builder.convert(a, kF64), divisor = builder.convert(b, kF64);
  if (!options.fma_fused_f32) return builder.convert(dividend / divisor, kF32);
  // A divisor that many numbers share is inverted once. The residue corrects the product to the
  // rounded f64 quotient (Markstein, IBM J. Res. Dev. 34, 1990); it is zero or NaN where there
  // is nothing to correct.
  const Value inverse = like(divisor, 1.0) / divisor;
  const Value estimate = dividend * inverse;
  const Value residue = builder.fma(-estimate, divisor, dividend);
  const Value quotient = builder.fma(residue, inverse, estimate);
  const Value inexact = builder.unary(Opcode::abs, residue) > 0;
  return builder.convert(builder.select(inexact, quotient, estimate), kF32);
}

// With a = A 2^i and b = B 2^j, the remainder is (A 2^(i - j) mod B) 2^j. The power of two modulo
// B is found by squaring: its exponent's leading bits at once, a squaring for each further bit.
Value fmod(Value x, Value y, const MathOptions& options) {
  Builder& b = x.builder();
  const Type t = x.type();
  const Arithmetic arithmetic(t, options);
  const Value magnitude = b.unary(Opcode::abs, x), divisor = b.unary(Opcode::abs, y);
  const Integral n = integral(widen(magnitude, arithmetic), arithmetic);
  const Integral d = integral(widen(divisor, arithmetic), arithmetic);
  const Residues residues(d.significand, arithmetic);

  const int squarings = is_f64(t) ? 6 : 3;
  const Value k = b.binary(Opcode::max, n.exponent - d.exponent, b.s32(0));
  Value power = residues.reduce({arithmetic, power_of_two(k >> squarings, arithmetic.base())});
  for (int bit = squarings - 1; bit >= 0; --bit) {
    power = residues.multiply(power, power);
    const Value set = ((k >> bit) & 1) != 0;
    power = residues.center(b.select(set, power + power, power));
  }
  const Value start = residues.center(residues.center(n.significand));
  Value rest = residues.multiply(start, power);
  rest = b.select(rest < 0, rest + d.significand, rest);
  Value result = copy_sign(narrow(scale_by_power(rest, d.exponent), t), x);

  const Value inf = infinity(b, t);
  result = b.select((n.exponent < d.exponent) | (divisor == inf) | (magnitude == 0), x, result);
  const Value valid = (magnitude < inf) & (divisor > 0);
  return b.select(valid, result, nan(b, t));
}

Value sign(Value x) {
  Builder& b = x.builder();
  if (!is_float(x.type())) {
    const Value positive = b.select(x > 0, like(x, 1), like(x, 0));
    return is_signed(x.type()) ? b.select(x < 0, like(x, -1), positive) : positive;
  }
  const Value top = top_word(x) << 1;
  const Value zero = (is_f64(x.type()) ? top | low_word(x) : top) == 0;
  const Value one = like(x, 1);
  return b.select(zero, x, b.select(is_nan(x), one, copy_sign(one, x)));
}

Value min(Value a, Value b) {
  Builder& builder = a.builder();
  const Value least = builder.select(b < a, b, a);
  if (!is_float(a.type())) return least;
  return builder.select(a != a, a, builder.select(b != b, b, least));
}

Value max(Value a, Value b) {
  Builder& builder = a.builder();
  const Value greatest = builder.select(b > a, b, a);
  if (!is_float(a.type())) return greatest;
  return builder.select(a != a, a, builder.select(b != b, b, greatest));
}

Value is_nan(Value x) { return x != x; }

Value is_infinity(Value x) {
  const Value top = top_word(x) << 1;
  if (!is_f64(x.type())) return top == 0xff000000u;
  return (top == 0xffe00000u) & (low_word(x) == 0);
}

Value copy_sign(Value magnitude, Value sign) {
  // Not two masked words joined: Mesa 25 makes a bit-field selection of that, which its driver for
  // CPUs computes wrongly.
  const Value positive = top_word(magnitude) & 0x7fffffff;
  const Value negative = positive | 0x80000000u;
  return with_top_word(
      magnitude, magnitude.builder().select((top_word(sign) >> 31) != 0u, negative, positive));
}

Value abs(Value x) { return with_top_word(x, top_word(x) & 0x7fffffff); }

Value negate(Value x) { return with_top_word(x, top_word(x) ^ 0x80000000u); }

}  // namespace nxv::ir::math
