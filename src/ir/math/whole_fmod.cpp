// Remainders of integers and f32, without f64: in integers, exactly.
#include "ir/math/bits.h"
#include "ir/math/cast.h"
#include "ir/math/whole.h"

namespace nxv::ir::math {
namespace {

// A finite f32's magnitude as significand * 2^exponent.
struct Decoded {
  Value significand, exponent;  // u32 of 24 bits (less for subnormals), s32
};

Decoded decode(Value x) {
  Builder& b = x.builder();
  const Value bits = top_word(x), field = (bits >> 23) & 0xff;
  const Value fraction = bits & 0x7fffff;
  const Value significand = b.select(field == 0, fraction, fraction | 0x800000);
  const Value exponent = b.bitcast(b.binary(Opcode::max, field, b.u32(1)), kS32) - 150;
  return {significand, exponent};
}

Value significand_of(const Whole& n) {
  return n.is_wide() ? n.low.builder().bitcast(n.low.builder().pack({n.low, n.high}), kU64) : n.low;
}

Value clamped(Value v, int low, int high) {
  Builder& b = v.builder();
  return b.binary(Opcode::min, b.binary(Opcode::max, v, b.s32(low)), b.s32(high));
}

Value as_u32(Value v) { return v.builder().bitcast(v, kU32); }

// A u32 or u64, of at most 2^53, times 2^exponent (u32 or s32; absent: 0).
Value to_f32(Value integer, Value exponent, Rounding rounding) {
  Builder& b = integer.builder();
  const Value v = rounding == Rounding::odd ? int_to_odd_f32(integer) : int_to_float(integer, kF32);
  return exponent ? v * power_of_two(b.bitcast(exponent, kS32), kF32) : v;
}

// v mod m, a byte at a time; m is a u32 of at most 24 bits, `bytes` of v count.
Value modulo(Value v, Value m, int bytes) {
  Builder& b = v.builder();
  Value rest = b.u32(0);
  for (int i = bytes - 1; i >= 0; --i) {
    rest = ((rest << 8) | (b.convert(v >> (8 * i), kU32) & 255)) % m;
  }
  return rest;
}

}  // namespace

// With n = S 2^e and y = D 2^j, D of 24 bits. For j < 0, y divides D: n mod y = (n mod D) mod y.
// Else both are integers, and n mod y is ((n >> j) mod D) << j and the bits of n below j.
Value fmod(const Whole& n, Value y, const MathOptions& options, Rounding rounding) {
  Builder& b = y.builder();
  const Value divisor = b.unary(Opcode::abs, y);
  const Decoded d = decode(divisor);
  const Value s = significand_of(n);
  const int bytes = n.is_wide() ? 7 : 4;
  const Value modulus = b.binary(Opcode::max, d.significand, b.u32(1));
  const Value whole = b.binary(Opcode::max, d.exponent, b.s32(0));
  // A shift beyond the width leaves all of n.
  const Value common = n.exponent ? b.bitcast(n.exponent, kS32) : b.s32(0);
  const Value down = as_u32(clamped(whole - common, 0, n.is_wide() ? 63 : 31));
  Value rest = modulo(s >> down, modulus, bytes);
  if (n.is_wide()) {
    const Value up = as_u32(clamped(common - whole, 0, 11)),
                first = b.binary(Opcode::min, up, b.u32(8));
    rest = ((rest << first) % modulus << (up - first)) % modulus;
  }
  const Value below = s - ((s >> down) << down);
  const Value joined = (b.convert(rest, s.type()) << down) + below;
  const Value of_integers =
      to_f32(joined, n.exponent ? Value(b.binary(Opcode::min, common, whole)) : Value(), rounding);
  const Value of_fraction = fmod(b.convert(rest, kF32), divisor, options);
  // Beyond 2^32 a y is larger than any 32-bit n.
  const Value result = b.select(d.exponent < 0, of_fraction, of_integers);
  const Value valid = (divisor > 0) & (divisor == divisor);
  return b.select(valid, b.select(n.negative, -result, result), nan(b, kF32));
}

// An n that f32 holds is a divisor like others. Any other is at least 2^24, and an x that is not
// smaller is the integer N 2^k: 20 bits of k at a time, r 2^20 - q n with a quotient q from f32
// that is off by one at most.
Value fmod(Value x, const Whole& n, const MathOptions& options, Rounding rounding) {
  Builder& b = x.builder();
  const Decoded dividend = decode(x);
  const Value divisor = significand_of(n);
  const Value modulus = n.is_wide() ? divisor : b.convert(divisor, kU64);
  const Value inverse =
      b.f32(1) / b.binary(Opcode::max, to_f32(divisor, {}, Rounding::nearest), b.f32(1));
  Value shift = dividend.exponent;
  if (n.exponent) shift = shift - b.bitcast(n.exponent, kS32);
  Value rest = b.convert(dividend.significand, kU64);
  for (int done = 0; done < 104; done += 20) {
    const Value bits = as_u32(clamped(shift - done, 0, 20));
    const Value power = power_of_two(b.bitcast(bits, kS32), kF32);
    const Value high = b.convert(b.convert(rest >> 32, kU32), kF32) * 0x1p32;
    const Value estimate = (high + b.convert(b.convert(rest, kU32), kF32)) * power * inverse;
    const Value quotient = b.convert(b.convert(estimate, kU32), kU64);
    const Value next = b.bitcast((rest << bits) - quotient * modulus, kS64);
    const Value limit = b.bitcast(modulus, kS64);
    rest = b.bitcast(b.select(next < 0, next + limit, b.select(next >= limit, next - limit, next)),
                     kU64);
  }
  const Value result = to_f32(rest, n.exponent, rounding);
  const Value magnitude = b.unary(Opcode::abs, x);
  const Value of_integers = copy_sign(b.select(shift < 0, magnitude, result), x);
  const Value finite = magnitude < infinity(b, kF32);
  const Parts parts = parts_of(n);
  const Value small = b.unary(Opcode::abs, parts[0]) < 0x1p24;
  return b.select(small, fmod(x, parts[0], options), b.select(finite, of_integers, nan(b, kF32)));
}

}  // namespace nxv::ir::math
