#include "ir/math/extended.h"

namespace nxv::ir::math {
namespace {

struct Split {
  Value hi, lo;  // half of the significand each
};

Split split(Value a) {
  const Value c = a * (a.type() == kF64 ? 134217729.0 : 4097.0);
  const Value hi = c - (c - a);
  return {hi, a - hi};
}

}  // namespace

Arithmetic::Arithmetic(Type t, const MathOptions& options)
    : carrier(t == kF32 && options.leads_to_narrow     ? Carrier::f32
              : t == kF64 && !options.f64_leads_to_f32 ? Carrier::pair_f64
              : options.f64                            ? Carrier::f64
                                                       : Carrier::pair_f32),
      fused(carrier == Carrier::pair_f32 && options.fma_fused_f32),
      branches(options.branches) {}

Value widen(Value x, const Arithmetic& arithmetic) {
  return x.builder().convert(x, arithmetic.base());
}

Argument abs(const Argument& x) {
  Builder& b = x.value.builder();
  const Value magnitude = b.unary(Opcode::abs, x.value);
  if (!x.rest.exists()) return {magnitude};
  return {magnitude, b.select(x.value < 0, -x.rest, x.rest)};
}

Value narrow(Value v, Type t) { return v.builder().convert(v, t); }

Extended constant(Builder& b, const Arithmetic& arithmetic, double hi, double lo) {
  Extended c{arithmetic, b.number(arithmetic.base(), hi)};
  if (!arithmetic.is_pair()) return c;
  if (arithmetic.carrier == Carrier::pair_f32) lo = hi - static_cast<float>(hi);
  if (lo != 0) c.lo = b.number(arithmetic.base(), lo);
  return c;
}

Extended two_sum(const Arithmetic& arithmetic, Value a, Value b) {
  const Value sum = a + b;
  if (!arithmetic.is_pair()) return {arithmetic, sum};
  const Value b_part = sum - a;
  return {arithmetic, sum, (a - (sum - b_part)) + (b - b_part)};
}

Extended fast_two_sum(const Arithmetic& arithmetic, Value a, Value b) {
  const Value sum = a + b;
  if (!arithmetic.is_pair()) return {arithmetic, sum};
  return {arithmetic, sum, b - (sum - a)};
}

Extended two_product(const Arithmetic& arithmetic, Value a, Value b) {
  const Value product = a * b;
  if (!arithmetic.is_pair()) return {arithmetic, product};
  if (arithmetic.fused) return {arithmetic, product, a.builder().fma(a, b, -product)};
  const Split x = split(a), y = a.id() == b.id() ? x : split(b);
  return {arithmetic, product,
          (((x.hi * y.hi - product) + x.hi * y.lo) + x.lo * y.hi) + x.lo * y.lo};
}

Value round_to_odd(const Extended& a) {
  Builder& b = a.builder();
  const Extended sum = fast_two_sum(a.arithmetic, a.hi, a.lo);
  const Value bits = b.bitcast(sum.hi, kU32);
  // Towards zero: a unit less where the rest has the other sign.
  const Value beyond = (bits ^ b.bitcast(sum.lo, kU32)) >> 31;
  const Value odd = b.bitcast((bits - beyond) | 1, kF32);
  // Infinities and zeros have a second part of NaN or 0, which must not be added to them.
  const auto counts = [&](Value lo) { return b.unary(Opcode::abs, lo) > 0; };
  return b.select(counts(sum.lo), odd, b.select(counts(a.lo), sum.hi, a.hi));
}

Extended correct(const Extended& a, Value correction) {
  return fast_two_sum(a.arithmetic, a.hi, a.lo ? a.lo + correction : correction);
}

Extended operator+(const Extended& a, const Extended& b) {
  const Extended sum = two_sum(a.arithmetic, a.hi, b.hi);
  if (!a.arithmetic.is_pair() || (!a.has_lo() && !b.has_lo())) return sum;
  return correct(sum, a.lo && b.lo ? a.lo + b.lo : a.lo ? a.lo : b.lo);
}

Extended operator-(const Extended& a) { return {a.arithmetic, -a.hi, a.lo ? -a.lo : Value()}; }

Extended operator-(const Extended& a, const Extended& b) { return a + -b; }

Extended operator*(const Extended& a, const Extended& b) {
  const Extended product = two_product(a.arithmetic, a.hi, b.hi);
  if (!a.arithmetic.is_pair() || (!a.has_lo() && !b.has_lo())) return product;
  if (!a.has_lo()) return correct(product, a.hi * b.lo);
  if (!b.has_lo()) return correct(product, a.lo * b.hi);
  return correct(product, a.hi * b.lo + a.lo * b.hi);
}

Extended operator/(const Extended& a, const Extended& b) {
  const Value quotient = a.hi / b.hi;
  if (!a.arithmetic.is_pair()) return {a.arithmetic, quotient};
  const Extended back = two_product(a.arithmetic, quotient, b.hi);
  Value rest = (a.hi - back.hi) - back.lo;
  if (a.lo) rest = rest + a.lo;
  if (b.lo) rest = rest - quotient * b.lo;
  return fast_two_sum(a.arithmetic, quotient, rest / b.hi);
}

Extended sqrt(const Extended& a) {
  Builder& b = a.builder();
  const Value root = b.unary(Opcode::sqrt, a.hi);
  if (!a.arithmetic.is_pair()) return {a.arithmetic, root};
  const Extended back = two_product(a.arithmetic, root, root);
  Value rest = (a.hi - back.hi) - back.lo;
  if (a.lo) rest = rest + a.lo;
  const Value twice = b.select(root == 0, like(root, 1), root + root);
  return fast_two_sum(a.arithmetic, root, rest / twice);
}

Extended rounded(const Extended& a) {
  if (a.arithmetic.carrier != Carrier::pair_f64) return a;
  Arithmetic of_numbers = a.arithmetic;
  of_numbers.carrier = Carrier::f64;
  return {of_numbers, a.hi};
}

Extended scale(const Extended& a, Value power) {
  return {a.arithmetic, a.hi * power, a.lo ? a.lo * power : Value()};
}

Extended select(Value condition, const Extended& a, const Extended& b) {
  Builder& builder = a.builder();
  Extended result{a.arithmetic, builder.select(condition, a.hi, b.hi)};
  if (a.lo || b.lo) {
    const Value zero = a.lo && b.lo ? Value() : builder.zero(a.hi.type());
    result.lo = builder.select(condition, a.lo ? a.lo : zero, b.lo ? b.lo : zero);
  }
  return result;
}

}  // namespace nxv::ir::math
