// Integers as parts, their sums, products and quotients.
#include "ir/math/whole.h"

#include "ir/math/bits.h"

namespace nxv::ir::math {
namespace {

Value rounded(const Extended& a, Rounding rounding) {
  if (rounding == Rounding::odd) return round_to_odd(a);
  // Not the sum where there is nothing to add: an infinity's second part is NaN, and -0 + 0 is 0.
  Builder& b = a.builder();
  return b.select(b.unary(Opcode::abs, a.lo) > 0, a.hi + a.lo, a.hi);
}

// number * 2^exponent
struct Scaled {
  Extended number;
  Value exponent;  // s32; absent: 0
};

// An f32 between 1 and 2 (subnormals: above 2^-22) and its power of two; integers as they are.
Scaled scaled(const Argument& a, const Arithmetic& arithmetic) {
  if (a.rest) return {{arithmetic, a.value, a.rest}, {}};
  Builder& b = a.value.builder();
  const Value field = (top_word(a.value) >> 23) & 0xff;
  const Value limited = b.bitcast(b.binary(Opcode::min, field, b.u32(253)), kS32);
  return {{arithmetic, a.value * power_of_two(b.s32(127) - limited, kF32)}, limited - 127};
}

// v * 2^exponent where that is subnormal: rounded at the last place of 2^23 units of subnormals,
// which is added and taken away.
Value subnormal(const Extended& v, Value exponent, Rounding rounding) {
  Builder& b = v.builder();
  const Value power = b.binary(Opcode::max, b.s32(-126) - exponent, b.s32(-126));
  const Value base = copy_sign(power_of_two(power, kF32), v.hi);
  const Extended sum = two_sum(v.arithmetic, base, v.hi);
  const Extended exact{v.arithmetic, sum.hi, sum.lo + v.lo};
  return copy_sign(scale_by_power(rounded(exact, rounding) - base, exponent), v.hi);
}

// v * 2^exponent
Value unscaled(const Extended& v, Value exponent, Rounding rounding) {
  const Value number = rounded(v, rounding);
  if (!exponent.exists()) return number;
  Builder& b = v.builder();
  const Value result = scale_by_power(number, exponent);
  const Value small = b.unary(Opcode::abs, result) <= 0x1p-126;
  return b.select(small, subnormal(v, exponent, rounding), result);
}

Value sum_of_exponents(Value a, Value b) { return a && b ? a + b : a ? a : b; }

}  // namespace

Whole::Whole(Value integer) {
  Builder& b = integer.builder();
  const bool is_signed_type = is_signed(integer.type());
  const bool wide = bytes(integer.type()) == 8;
  const Type word = wide ? kU64 : kU32;
  negative = is_signed_type ? integer < 0 : b.boolean(false);
  const Value magnitude =
      b.bitcast(is_signed_type ? b.select(negative, -integer, integer) : integer, word);
  if (!wide) {
    low = magnitude;
    return;
  }
  const Value zeros = b.unary(Opcode::clz, b.convert(magnitude >> 32, kU32));
  exponent = b.u32(11) - b.binary(Opcode::min, zeros, b.u32(11));
  const Value kept = magnitude >> exponent, twice = (magnitude - (kept << exponent)) << 1;
  const Value unit = b.u64(1) << exponent;
  const Value up = (twice > unit) | ((twice == unit) & ((kept & 1) != 0));
  const Value significand = kept + b.convert(b.convert(up, kU32), kU64);
  low = b.convert(significand, kU32);
  high = b.convert(significand >> 32, kU32);
}

Parts parts_of(const Whole& n) {
  Builder& b = n.low.builder();
  const Arithmetic arithmetic(kF32, {.f64 = false});
  const Value top = b.convert(n.low >> 8, kF32) * 256, bottom = b.convert(n.low & 255, kF32);
  const Value sign = b.select(n.negative, b.f32(-1), b.f32(1));
  if (!n.is_wide()) {
    const Extended sum = fast_two_sum(arithmetic, top, bottom);
    return {sum.hi * sign, sum.lo * sign, {}};
  }
  const Extended larger = fast_two_sum(arithmetic, b.convert(n.high, kF32) * 0x1p32, top);
  const Extended rest = fast_two_sum(arithmetic, larger.lo, bottom);
  const Extended first = fast_two_sum(arithmetic, larger.hi, rest.hi);
  const Extended second = fast_two_sum(arithmetic, first.lo, rest.lo);
  const Value factor = sign * power_of_two(b.bitcast(n.exponent, kS32), kF32);
  return {first.hi * factor, second.hi * factor, second.lo * factor};
}

Parts negated(const Parts& n) { return {-n[0], -n[1], n[2] ? -n[2] : Value()}; }

Argument argument_of(const Whole& n) {
  const Parts parts = parts_of(n);
  return {parts[0], parts[1]};
}

Value add(Value x, const Parts& n, const MathOptions& options, Rounding rounding) {
  Builder& b = x.builder();
  const Arithmetic arithmetic(kF32, options);
  const Extended first = two_sum(arithmetic, x, n[0]);
  const Extended second = two_sum(arithmetic, first.lo, n[1]);
  const Value tail = n[2] ? second.lo + n[2] : second.lo;
  const Extended largest = two_sum(arithmetic, first.hi, second.hi);
  const Value sum = rounded({arithmetic, largest.hi, largest.lo + tail}, rounding);
  // As IEEE has it where x is not finite and where nothing but a zero is added.
  const Value more = (b.unary(Opcode::abs, second.hi) > 0) | (b.unary(Opcode::abs, tail) > 0);
  return b.select(more, sum, first.hi);
}

Value multiply(const Argument& a, const Argument& b, const MathOptions& options,
               Rounding rounding) {
  const Arithmetic arithmetic(kF32, options);
  const Scaled x = scaled(a, arithmetic), y = scaled(b, arithmetic);
  Extended product = two_product(arithmetic, x.number.hi, y.number.hi);
  if (x.number.lo) product.lo = product.lo + x.number.lo * y.number.hi;
  if (y.number.lo) product.lo = product.lo + x.number.hi * y.number.lo;
  return unscaled(product, sum_of_exponents(x.exponent, y.exponent), rounding);
}

Value divide(const Argument& a, const Argument& b, const MathOptions& options, Rounding rounding) {
  Builder& builder = a.value.builder();
  const Arithmetic arithmetic(kF32, options);
  const Scaled x = scaled(a, arithmetic), y = scaled(b, arithmetic);
  const Value simple = x.number.hi / y.number.hi;
  Extended quotient = x.number / y.number;
  // Zero, infinity and NaN have no second part.
  const Value magnitude = builder.unary(Opcode::abs, simple);
  const Value ordinary = (magnitude > 0) & (magnitude < infinity(builder, kF32));
  quotient.hi = builder.select(ordinary, quotient.hi, simple);
  quotient.lo = builder.select(ordinary, quotient.lo, builder.zero(kF32));
  return unscaled(quotient, sum_of_exponents(x.exponent, y.exponent ? -y.exponent : Value()),
                  rounding);
}

}  // namespace nxv::ir::math
