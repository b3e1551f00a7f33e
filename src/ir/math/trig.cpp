// sin, cos, tan: reduction to a quadrant, then polynomials on [-pi/4, pi/4].
#include <numbers>

#include "ir/math/bits.h"
#include "ir/math/coefficients.h"
#include "ir/math/kernels.h"
#include "ir/math/two_over_pi.h"
#include "ir/ops/pick.h"

namespace nxv::ir::math {
namespace {

Extended sin_kernel(const Extended& r) {
  const Value z = r.hi * r.hi, rest = polynomial(z, kSin.of(r.arithmetic));
  if (!r.arithmetic.is_pair()) return {r.arithmetic, r.builder().fma(r.hi * z, rest, r.hi)};
  return correct(r, r.hi * (z * rest));
}

Extended cos_kernel(const Extended& r) {
  Builder& b = r.builder();
  const Arithmetic& arithmetic = r.arithmetic;
  const Extended z = r * r;
  const Value rest = polynomial(z.hi, kCos.of(arithmetic));
  if (!arithmetic.is_pair()) {
    const Value slope = b.fma(z.hi, rest, like(z.hi, -0.5));
    return {arithmetic, b.fma(z.hi, slope, like(z.hi, 1))};
  }
  const Value tail = z.hi * z.hi * rest;
  const Extended sum = fast_two_sum(arithmetic, like(z.hi, 1), z.hi * -0.5);
  return correct(sum, z.lo ? z.lo * -0.5 + tail : tail);
}

struct Reduced {
  Value quadrant;
  Extended angle;
  Value negative;  // boolean: x < 0
};

// Of 0 <= x <= 2^20, an f32, in f64, minus the nearest multiple of pi/2 by Cody and Waite:
// multiples of the first part of pi/2 are exact, and the second is known to 2^-79. The multiple
// stands in the low bits of a sum that is rounded to an integer; no such x is so near to the middle
// between two that it mattered whether the product is rounded before.
QuadrantAngle reduce_moderate(Value x, const Arithmetic& arithmetic) {
  Builder& b = x.builder();
  constexpr double kRounder = 0x1.8p52;
  const Value wide = widen(x, arithmetic);
  const Value rounded = b.fma(wide, like(wide, 2 / std::numbers::pi), like(wide, kRounder));
  const Value k = rounded - kRounder;
  const Value near = b.fma(k, like(wide, -0x1.921fb5p0), wide);
  return {low_word(rounded), {arithmetic, b.fma(k, like(wide, -0x1.110b4611a6263p-26), near)}};
}

// Of the magnitudes of f32, by f64, where a branch pays around what few of them need. They share
// it, and its code.
std::vector<QuadrantAngle> reduce_each(std::span<const Value> xs, const Arithmetic& arithmetic) {
  Builder& b = xs[0].builder();
  std::vector<Value> magnitudes, are_large;
  std::vector<std::pair<Var, Var>> reduced;  // quadrant, angle
  Value any;
  for (const Value& x : xs) {
    const Value magnitude = magnitudes.emplace_back(b.unary(Opcode::abs, x));
    const QuadrantAngle moderate = reduce_moderate(magnitude, arithmetic);
    reduced.emplace_back(b.var(moderate.quadrant), b.var(moderate.angle.hi));
    const Value is_large = are_large.emplace_back(magnitude > 0x1p20);
    any = any.exists() ? any | is_large : is_large;
  }
  const auto reduce_large = [&](Value lane) {
    const QuadrantAngle large = reduce_by_half_pi(pick(magnitudes, lane), arithmetic);
    for (size_t i = 0; i < xs.size(); ++i) {
      const auto& [quadrant, angle] = reduced[i];
      const Value is_this = are_large[i] & (lane == static_cast<uint32_t>(i));
      quadrant.set(b.select(is_this, large.quadrant, quadrant.get()));
      angle.set(b.select(is_this, large.angle.hi, angle.get()));
    }
  };
  b.if_(any, [&] {
    if (xs.size() == 1) return reduce_large(b.u32(0));
    const auto count = static_cast<uint32_t>(xs.size());
    b.for_range(b.u32(0), b.u32(count), b.u32(1), reduce_large, Unrolling::never);
  });
  std::vector<QuadrantAngle> all;
  for (const auto& [quadrant, angle] : reduced) {
    all.push_back({quadrant.get(), {arithmetic, angle.get()}});
  }
  return all;
}

Reduced reduce(Value x, const Arithmetic& arithmetic) {
  Builder& b = x.builder();
  if (arithmetic.branches && arithmetic.carrier == Carrier::f64 && x.type() == kF32) {
    const QuadrantAngle reduced = reduce_each(std::span(&x, 1), arithmetic)[0];
    return {reduced.quadrant, reduced.angle, x < 0};
  }
  const Value magnitude = b.unary(Opcode::abs, x);
  const QuadrantAngle reduced = reduce_by_half_pi(magnitude, arithmetic);
  const Value small = magnitude < 0.75;
  const Extended direct{arithmetic, widen(magnitude, arithmetic)};
  return {b.select(small, b.u32(0), reduced.quadrant), select(small, direct, reduced.angle), x < 0};
}

// Of 0 <= x <= 2 pi, minus the nearest multiple of pi/2, of which there are few enough for Cody and
// Waite ("Software Manual for the Elementary Functions", 1980): the first two parts of pi/2 are so
// short that their multiples are exact.
Reduced reduce_turn(Value x, const Arithmetic& arithmetic) {
  Builder& b = x.builder();
  const Value wide = widen(x, arithmetic);
  const Value quadrant = b.convert(wide * (2 / std::numbers::pi) + 0.5, kU32);
  const Value k = b.convert(quadrant, arithmetic.base());
  const bool is_f32 = arithmetic.base() == kF32;
  const Value near = wide - k * (is_f32 ? 0x1.92p0 : 0x1.921fb544p0);
  Extended angle =
      two_sum(arithmetic, near, -(k * (is_f32 ? 0x1.fb544p-12 : 0x1.0b4611a62632p-34)));
  if (arithmetic.is_pair()) {
    angle = correct(angle, -(k * (is_f32 ? 0x1.0b4611a626331p-34 : 0x1.145c06e0e6895p-82)));
  }
  return {quadrant, angle, b.boolean(false)};
}

Value odd(Value quadrant) { return (quadrant & 1) != 0; }

// In the base type.
SinCos sin_cos_of(const Reduced& r) {
  Builder& b = r.quadrant.builder();
  const Value s = sin_kernel(r.angle).value(), c = cos_kernel(r.angle).value();
  const Value swapped = odd(r.quadrant), lower = (r.quadrant & 2) != 0;
  const Value sine = b.select(swapped, c, s), cosine = b.select(swapped, s, c);
  return {b.select(lower ^ r.negative, -sine, sine), b.select(lower ^ swapped, -cosine, cosine)};
}

Reduced reduce(const Whole& x, const MathOptions& options) {
  const QuadrantAngle reduced = reduce_by_half_pi(x, Arithmetic(kF32, options));
  return {reduced.quadrant, reduced.angle, x.negative};
}

// A number in the base type, negated where the boolean says so.
struct Signed {
  Value value, negate;
};

Signed sine(const Reduced& r) {
  const Extended result = select(odd(r.quadrant), cos_kernel(r.angle), sin_kernel(r.angle));
  return {result.value(), ((r.quadrant & 2) != 0) ^ r.negative};
}

Signed cosine(const Reduced& r) {
  const Extended result = select(odd(r.quadrant), sin_kernel(r.angle), cos_kernel(r.angle));
  return {result.value(), ((r.quadrant + 1) & 2) != 0};
}

Signed tangent(const Reduced& r) {
  const Extended sine = sin_kernel(r.angle), cosine = cos_kernel(r.angle);
  const Value swapped = odd(r.quadrant);
  const Extended result = select(swapped, cosine, sine) / select(swapped, sine, cosine);
  return {result.value(), swapped ^ r.negative};
}

Value signed_value(const Signed& s) {
  return s.value.builder().select(s.negate, -s.value, s.value);
}

// In the type of x; NaN for infinite and NaN x.
Value finish(const Signed& s, Value x) {
  Builder& b = x.builder();
  const Value result = narrow(s.value, x.type());
  const Value finite = b.unary(Opcode::abs, x) < infinity(b, x.type());
  return b.select(finite, b.select(s.negate, -result, result), nan(b, x.type()));
}

}  // namespace

Value is_tiny(Value x, const Arithmetic& arithmetic) {
  return x.builder().unary(Opcode::abs, x) < arithmetic.pick(0x1p-15, 0x1p-13, 0x1p-28);
}

SinCos sin_cos_kernel(Value x, Value correction, const Arithmetic& arithmetic) {
  Builder& b = x.builder();
  Reduced r = reduce(x, arithmetic);
  if (correction.exists())
    r.angle = correct(r.angle, b.select(r.negative, -correction, correction));
  const SinCos reduced = sin_cos_of(r);
  const Value finite = b.unary(Opcode::abs, x) < infinity(b, x.type());
  const Value none = nan(b, arithmetic.base());
  SinCos result{b.select(finite, reduced.sin, none), b.select(finite, reduced.cos, none)};
  if (!correction.exists()) {
    result.sin = b.select(is_tiny(x, arithmetic), widen(x, arithmetic), result.sin);
  }
  return result;
}

SinCos sin_cos_of_turn(Value x, const MathOptions& options) {
  const SinCos wide = sin_cos_of(reduce_turn(x, Arithmetic(x.type(), options)));
  return {narrow(wide.sin, x.type()), narrow(wide.cos, x.type())};
}

SinCos sin_cos_of_small(const Extended& x) {
  return {sin_kernel(x).value(), cos_kernel(x).value()};
}

SinCos sin_cos_of_small(Value x, const Arithmetic& arithmetic) {
  return sin_cos_of_small({arithmetic, x});
}

namespace {

// Of f32 by f64, with the sign in the uppermost bit of a word. What is tiny stays as it is where
// conversions keep subnormals: it differs from its sine by less than half a unit.
Value finish(Value magnitude, Value sign, Value x) {
  Builder& b = x.builder();
  const Value result = b.bitcast(narrow(magnitude, kF32), kU32) ^ (sign & 0x80000000u);
  const Value finite = b.unary(Opcode::abs, x) < infinity(b, kF32);
  return b.select(finite, b.bitcast(result, kF32), nan(b, kF32));
}

Value finish_sine(const QuadrantAngle& r, Value x, const MathOptions& options) {
  Builder& b = x.builder();
  const Value s = sin_kernel(r.angle).value(), c = cos_kernel(r.angle).value();
  const Value sign = (r.quadrant << 30) ^ b.bitcast(x, kU32);
  const Value result = finish(b.select(odd(r.quadrant), c, s), sign, x);
  if (options.subnormals_preserved) return result;
  return b.select(is_tiny(x, r.angle.arithmetic), x, result);
}

Value finish_cosine(const QuadrantAngle& r, Value x) {
  Builder& b = x.builder();
  const Value s = sin_kernel(r.angle).value(), c = cos_kernel(r.angle).value();
  return finish(b.select(odd(r.quadrant), s, c), (r.quadrant + 1u) << 30, x);
}

}  // namespace

bool shares_branches(Type type, const MathOptions& options) {
  return options.branches && type == kF32 && Arithmetic(type, options).carrier == Carrier::f64;
}

std::vector<Value> sin(std::span<const Value> xs, const MathOptions& options) {
  const std::vector<QuadrantAngle> reduced = reduce_each(xs, Arithmetic(kF32, options));
  std::vector<Value> all;
  for (size_t i = 0; i < xs.size(); ++i) all.push_back(finish_sine(reduced[i], xs[i], options));
  return all;
}

std::vector<Value> cos(std::span<const Value> xs, const MathOptions& options) {
  const std::vector<QuadrantAngle> reduced = reduce_each(xs, Arithmetic(kF32, options));
  std::vector<Value> all;
  for (size_t i = 0; i < xs.size(); ++i) all.push_back(finish_cosine(reduced[i], xs[i]));
  return all;
}

Value sin(Value x, const MathOptions& options) {
  if (shares_branches(x.type(), options)) return sin(std::span(&x, 1), options)[0];
  const Arithmetic arithmetic(x.type(), options);
  const Value result = finish(sine(reduce(x, arithmetic)), x);
  return x.builder().select(is_tiny(x, arithmetic), x, result);
}

Value cos(Value x, const MathOptions& options) {
  if (shares_branches(x.type(), options)) return cos(std::span(&x, 1), options)[0];
  return finish(cosine(reduce(x, Arithmetic(x.type(), options))), x);
}

Value tan(Value x, const MathOptions& options) {
  const Arithmetic arithmetic(x.type(), options);
  const Value result = finish(tangent(reduce(x, arithmetic)), x);
  return x.builder().select(is_tiny(x, arithmetic), x, result);
}

Value sin(const Whole& x, const MathOptions& options) {
  return signed_value(sine(reduce(x, options)));
}

Value cos(const Whole& x, const MathOptions& options) {
  return signed_value(cosine(reduce(x, options)));
}

Value tan(const Whole& x, const MathOptions& options) {
  return signed_value(tangent(reduce(x, options)));
}

}  // namespace nxv::ir::math
