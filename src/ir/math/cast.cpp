#include "ir/math/cast.h"

#include "base/error.h"
#include "ir/math/bits.h"

namespace nxv::ir::math {
namespace {

// A 64-bit integer in two words, so that no 64-bit arithmetic is needed.
struct Halves {
  Value low, high;
};

Value as_u32(Value v) { return v.builder().bitcast(v, kU32); }

// Shift amounts below 64.
Halves shift_left(Halves w, Value n) {
  Builder& b = n.builder();
  const Value by_word = n >= 32, bits = n & 31, zero = b.u32(0);
  const Value low = w.low << bits;
  const Value high = (w.high << bits) | ((w.low >> 1) >> (b.u32(31) - bits));
  return {b.select(by_word, zero, low), b.select(by_word, low, high)};
}

Halves shift_right(Halves w, Value n) {
  Builder& b = n.builder();
  const Value by_word = n >= 32, bits = n & 31, zero = b.u32(0);
  const Value high = w.high >> bits;
  const Value low = (w.low >> bits) | ((w.high << 1) << (b.u32(31) - bits));
  return {b.select(by_word, high, low), b.select(by_word, zero, high)};
}

Halves negated(Halves w) {
  Builder& b = w.low.builder();
  const Value low = ~w.low + 1;
  return {low, ~w.high + b.convert(low == 0, kU32)};
}

Halves select(Value condition, Halves a, Halves c) {
  Builder& b = condition.builder();
  return {b.select(condition, a.low, c.low), b.select(condition, a.high, c.high)};
}

Halves constant(Builder& b, uint64_t v) {
  return {b.u32(static_cast<uint32_t>(v)), b.u32(static_cast<uint32_t>(v >> 32))};
}

// Any u32 to f32, rounded once.
Value u32_to_f32(Value v) {
  Builder& b = v.builder();
  return b.convert(v >> 16, kF32) * 65536 + b.convert(v & 0xffff, kF32);
}

// An integer as leading * 2^exponent with the highest bit of `leading` set (but for 0), whose last
// bit stands for all that follows.
struct Leading {
  Value negative;           // boolean; absent for unsigned types
  Value leading, exponent;  // u32, s32
};

Leading leading_bits(Value v) {
  Builder& b = v.builder();
  const bool is_signed_type = is_signed(v.type());
  if (bytes(v.type()) == 4) {
    const Value negative = is_signed_type ? v < 0 : Value();
    const Value magnitude = as_u32(is_signed_type ? b.select(negative, -v, v) : v);
    const Value zeros = b.binary(Opcode::min, b.unary(Opcode::clz, magnitude), b.u32(31));
    return {negative, magnitude << zeros, -b.bitcast(zeros, kS32)};
  }
  const Value words = b.bitcast(v, vec(kU32, 2));
  const Halves w{b.extract(words, 0), b.extract(words, 1)};
  const Value negative = is_signed_type ? b.bitcast(w.high, kS32) < 0 : Value();
  const Halves magnitude = is_signed_type ? select(negative, negated(w), w) : w;
  const Value zeros =
      b.select(magnitude.high == 0,
               b.binary(Opcode::min, b.unary(Opcode::clz, magnitude.low) + 32, b.u32(63)),
               b.unary(Opcode::clz, magnitude.high));
  const Halves shifted = shift_left(magnitude, zeros);
  return {negative, shifted.high | b.convert(shifted.low != 0, kU32),
          b.s32(32) - b.bitcast(zeros, kS32)};
}

Value assemble(const Leading& l, Value leading) {
  Builder& b = leading.builder();
  const Value result = u32_to_f32(leading) * power_of_two(l.exponent, kF32);
  return l.negative ? b.select(l.negative, -result, result) : result;
}

}  // namespace

Value float_to_int(Value v, DType to) {
  Builder& b = v.builder();
  if (!is_integer(to)) throw Error(Status::internal, "float_to_int: not an integer type");
  const bool wide = is_f64(v.type());
  const int shift = exponent_shift(v.type()), digits = wide ? 52 : 23;
  const Value top = top_word(v);
  const Value exponent = (top >> shift) & (wide ? 0x7ff : 0xff);
  const Value significand = (top & ((1u << shift) - 1)) | (1u << shift);
  const Halves magnitude = wide ? Halves{low_word(v), significand} : Halves{significand, b.u32(0)};

  // |v| = magnitude * 2^left; a subnormal counts as some number below 1.
  const Value left = b.bitcast(exponent, kS32) - (exponent_bias(v.type()) + digits);
  const Value limit = b.s32(63), none = b.s32(0);
  const Value up = as_u32(b.binary(Opcode::min, b.binary(Opcode::max, left, none), limit));
  const Value down = as_u32(b.binary(Opcode::min, b.binary(Opcode::max, -left, none), limit));
  Halves result = select(left > 0, shift_left(magnitude, up), shift_right(magnitude, down));
  result = select(left > 63, constant(b, 0), result);
  const Value negative = b.bitcast(top, kS32) < 0;
  result = select(negative, negated(result), result);

  const int width = bits(to);
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  const uint64_t largest = is_signed_int(to) ? mask >> 1 : mask;
  const uint64_t smallest = is_signed_int(to) ? ~(mask >> 1) : 0;
  const Halves limit_words = select(negative, constant(b, smallest), constant(b, largest));
  const Value special = exponent == (wide ? 0x7ff : 0xff);
  result = select(special, select(v == v, limit_words, constant(b, 0)), result);

  if (width == 64) {
    return b.bitcast(b.pack({result.low, result.high}), is_signed_int(to) ? kS64 : kU64);
  }
  if (is_signed_int(to)) {
    const Value word = b.bitcast(result.low, kS32);
    return width == 32 ? word : (word << (32 - width)) >> (32 - width);
  }
  return width == 32 ? result.low : result.low & static_cast<uint32_t>(mask);
}

Value int_to_float(Value v, Type to) {
  Builder& b = v.builder();
  const Type from = v.type();
  if (from == kU32) return to == kF64 ? b.convert(v, kF64) : u32_to_f32(v);
  if (from == kS32) {
    if (to == kF64) return b.convert(v, kF64);
    return b.convert(v >> 16, kF32) * 65536 + b.convert(v & 0xffff, kF32);
  }
  if (to == kF32) {
    const Leading l = leading_bits(v);
    return assemble(l, l.leading);
  }
  const Value words = b.bitcast(v, vec(kU32, 2));
  const Value low = b.extract(words, 0), high = b.extract(words, 1);
  const Value signed_high = from == kS64 ? b.bitcast(high, kS32) : high;
  return b.convert(signed_high, kF64) * 0x1p32 + b.convert(low, kF64);
}

Value int_to_odd_f32(Value v) {
  Builder& b = v.builder();
  const Leading l = leading_bits(v);
  const Value lost = b.convert((l.leading & 0xff) != 0, kU32) << 8;
  return assemble(l, (l.leading & 0xffffff00u) | lost);
}

}  // namespace nxv::ir::math
