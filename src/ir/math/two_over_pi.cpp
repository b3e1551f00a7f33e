#include "ir/math/two_over_pi.h"

#include <algorithm>
#include <array>
#include <vector>

#include "ir/math/bits.h"

namespace nxv::ir::math {
namespace {

using Words = std::vector<Value>;  // u32, most significant first

// The binary expansion of 2/pi after the point, behind two words of zeros.
constexpr std::array<uint32_t, 40> kTwoOverPi = {
    0,          0,          0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041,
    0xfe5163ab, 0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e,
    0xe88235f5, 0x2ebb4484, 0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b,
    0x1ff897ff, 0xde05980f, 0xef2f118b, 0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d,
    0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea, 0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab};

// `count` words of 2/pi that begin at bit `position` of kTwoOverPi + first; positions are at most
// 32 * last + 31.
Words window(Value position, size_t first, size_t last, size_t count) {
  Builder& b = position.builder();
  const Value word = position >> 5, bit = position & 31;
  Words words;
  for (size_t i = 0; i <= last + count; ++i) words.push_back(b.u32(kTwoOverPi[first + i]));
  // Shift by whole words, the largest power of two first.
  size_t step = 1;
  while (step * 2 <= last) step *= 2;
  for (; step > 0; step /= 2) {
    const Value shifted = (word & static_cast<uint32_t>(step)) != 0;
    const size_t kept = std::min(words.size(), count + step);
    Words next;
    for (size_t i = 0; i < kept; ++i) {
      next.push_back(i + step < words.size() ? b.select(shifted, words[i + step], words[i])
                                             : words[i]);
    }
    words = next;
  }
  Words result;
  const Value back = b.u32(31) - bit;
  for (size_t i = 0; i < count; ++i) {
    result.push_back((words[i] << bit) | ((words[i + 1] >> 1) >> back));
  }
  return result;
}

// The low a.size() words of a * m, column by column.
Words multiply(const Words& a, const Words& m) {
  Builder& b = a[0].builder();
  std::vector<Words> columns(a.size());
  for (size_t j = 0; j < m.size(); ++j) {
    const size_t left = m.size() - 1 - j;  // words that m[j] shifts by
    for (size_t i = left; i < a.size(); ++i) {
      columns[i - left].push_back(a[i] * m[j]);
      if (i > left) columns[i - left - 1].push_back(b.binary(Opcode::mul_hi, a[i], m[j]));
    }
  }
  Words product(a.size());
  for (size_t i = a.size(); i-- > 0;) {
    Value sum = columns[i][0], carry;
    for (size_t k = 1; k < columns[i].size(); ++k) {
      sum = sum + columns[i][k];
      if (i == 0) continue;
      const Value overflow = b.convert(sum < columns[i][k], kU32);
      carry = carry ? carry + overflow : overflow;
    }
    product[i] = sum;
    if (carry) columns[i - 1].push_back(carry);
  }
  return product;
}

// The words as a fraction in [0, 1).
Extended fraction(const Words& words, const Arithmetic& arithmetic) {
  Builder& b = words[0].builder();
  if (arithmetic.carrier == Carrier::pair_f32 && words.size() > 3) {
    const Value skips = words[0] == 0;
    Words significant;
    for (size_t i = 0; i < 3; ++i) {
      significant.push_back(b.select(skips, words[i + 1], words[i]));
    }
    return scale(fraction(significant, arithmetic), b.select(skips, b.f32(0x1p-32f), b.f32(1)));
  }
  if (arithmetic.carrier == Carrier::pair_f32) {
    // Normalised first, so that two significands of 24 bits hold all that matters.
    const Value zeros = b.binary(Opcode::min, b.unary(Opcode::clz, words[0]), b.u32(31));
    const Value back = b.u32(31) - zeros;
    const Value high = (words[0] << zeros) | ((words[1] >> 1) >> back);
    const Value low = (words[1] << zeros) | ((words[2] >> 1) >> back);
    const Value unit = power_of_two(-b.bitcast(zeros, kS32) - 24, kF32);
    const Value first = b.convert(high >> 8, kF32);
    const Value second = b.convert(((high & 255) << 16) | (low >> 16), kF32);
    return fast_two_sum(arithmetic, first * unit, second * 0x1p-24 * unit);
  }
  auto part = [&](size_t i) {
    return b.convert(words[i], kF64) * std::ldexp(1.0, -32 * static_cast<int>(i + 1));
  };
  if (arithmetic.carrier == Carrier::f64) return {arithmetic, part(0) + (part(1) + part(2))};
  return correct(fast_two_sum(arithmetic, part(0), part(1)), part(2) + part(3));
}

// Of x * 2/pi in quarters modulo 1, as words: two integer bits, rounded to nearest, and the rest as
// a signed fraction in at most `used` words.
QuadrantAngle quadrant_and_angle(const Words& product, size_t used, const Arithmetic& arithmetic) {
  Builder& b = product[0].builder();
  const Value quadrant = (product[0] + 0x20000000) >> 30;
  Words rest;
  for (size_t i = 0; i < used; ++i) {
    rest.push_back(i + 1 < product.size() ? (product[i] << 2) | (product[i + 1] >> 30)
                                          : product[i] << 2);
  }
  // Absolute value by complement: one unit in the last bit does not matter.
  const Value negative = b.bitcast(b.bitcast(rest[0], kS32) >> 31, kU32);
  for (Value& word : rest) word = word ^ negative;
  const Extended turns = fraction(rest, arithmetic);
  const Extended half_pi = constant(b, arithmetic, 0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54);
  const Extended angle = turns * half_pi;
  return {quadrant, select(negative != 0, -angle, angle)};
}

}  // namespace

// |x| = m 2^e with an integer m. Bits of 2/pi with a weight of 2^(2-e) and more contribute
// multiples of 4 and are skipped; the product of m with the following words, modulo their width,
// has two integer bits before a fraction.
QuadrantAngle reduce_by_half_pi(Value x, const Arithmetic& arithmetic) {
  Builder& b = x.builder();
  const bool wide = is_f64(x.type());
  const int shift = exponent_shift(x.type());
  const Value top = top_word(x);
  const Value exponent = (top >> shift) & (wide ? 0x7ff : 0xff);
  const Value significand = (top & ((1u << shift) - 1)) | (1u << shift);
  // The first of f64's bits has weight 2^63 / 2^64, of f32's 2^31 / 2^32 relative to the point.
  const Value position =
      b.binary(Opcode::max, exponent, b.u32(wide ? 1013 : 120)) - (wide ? 1013 : 120);
  const Words bits = wide ? window(position, 0, 32, 6) : window(position, 1, 4, 3);
  Words product = wide ? multiply(bits, {significand, low_word(x)}) : multiply(bits, {significand});
  return quadrant_and_angle(product, wide ? 4 : product.size(), arithmetic);
}

// An integer's words times those of 2/pi / 4 2^e. Of 32 bits no product comes closer than 2^-35 to
// a multiple of 1/4, of 53 bits than 2^-55; the words left out are worth less than 2^-94 and
// 2^-104.
QuadrantAngle reduce_by_half_pi(const Whole& x, const Arithmetic& arithmetic) {
  Builder& b = x.low.builder();
  constexpr uint32_t kQuarter = 30;  // the two bits before the point
  if (x.is_wide()) {
    const Words bits = window(x.exponent + kQuarter, 1, 1, 5);
    return quadrant_and_angle(multiply(bits, {x.high, x.low}), 4, arithmetic);
  }
  Words bits;
  for (size_t i = 1; i <= 4; ++i) {
    bits.push_back(b.u32((kTwoOverPi[i] << kQuarter) | (kTwoOverPi[i + 1] >> (32 - kQuarter))));
  }
  return quadrant_and_angle(multiply(bits, {x.low}), 4, arithmetic);
}

}  // namespace nxv::ir::math
