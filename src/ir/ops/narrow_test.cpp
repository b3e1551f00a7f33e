#include "ir/ops/narrow.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "base/error.h"
#include "ir/passes/expand_conversions.h"
#include "ir/passes/simplify.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::ir {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr DType kFloats[] = {DType::f8_e4m3fn, DType::f8_e5m2, DType::bf16, DType::f16};

// Runs f on every element; f32 arithmetic flushes subnormals, which must not show.
template <typename To, typename From, typename F>
std::vector<To> run(Type from, Type to, const std::vector<From>& in, F f) {
  Builder b("narrow", 64);
  const Value source = b.buffer("in", Access::read), target = b.buffer("out", Access::write);
  const Value count = b.param("count", kU32);
  const Value i = b.builtin(Builtin::group_x) * 64 + b.builtin(Builtin::local_index);
  b.if_(i < count, [&] { b.store(target, i, b.bitcast(f(b.load(source, i, from)), to)); });
  const Kernel kernel = b.finish();
  std::vector<To> out(in.size());
  const auto size = static_cast<uint32_t>(in.size());
  const testing::Argument arguments[] = {testing::Argument::buffer(in),
                                         testing::Argument::buffer(out),
                                         testing::Argument::number<uint32_t>(size)};
  const testing::Groups groups = {(size + 63) / 64, 1, 1};
  testing::run(kernel, groups, arguments, {.flush_subnormals = true});
  // Devices without conversions have the same bits.
  const std::vector<To> converted = out;
  testing::run(expand_conversions(kernel), groups, arguments, {.flush_subnormals = true});
  EXPECT_EQ(std::memcmp(out.data(), converted.data(), out.size() * sizeof(To)), 0);
  return out;
}

struct Format {
  int bits, mantissa, bias;
  bool has_infinity;
};

Format format(DType t) {
  if (t == DType::f8_e4m3fn) return {8, 3, 7, false};
  if (t == DType::f8_e5m2) return {8, 2, 15, true};
  if (t == DType::bf16) return {16, 7, 127, true};
  return {16, 10, 15, true};
}

// The number that the bits of a format stand for.
double number(uint32_t code, DType t) {
  const Format f = format(t);
  const int exponent_bits = f.bits - 1 - f.mantissa, top = (1 << exponent_bits) - 1;
  const double sign = (code >> (f.bits - 1)) & 1 ? -1 : 1;
  const int exponent = static_cast<int>(code >> f.mantissa) & top;
  const int mantissa = static_cast<int>(code) & ((1 << f.mantissa) - 1);
  if (f.has_infinity && exponent == top) return mantissa ? std::nan("") : sign * kInf;
  if (!f.has_infinity && exponent == top && mantissa == (1 << f.mantissa) - 1) return std::nan("");
  const int implicit = exponent ? 1 << f.mantissa : 0;
  return sign * std::ldexp(implicit + mantissa, std::max(exponent, 1) - f.bias - f.mantissa);
}

// Nearest number of the format by search, ties to the even code.
uint32_t nearest(double v, DType t) {
  const Format f = format(t);
  const uint32_t nan = t == DType::f8_e4m3fn ? 0x7f
                       : t == DType::f8_e5m2 ? 0x7e
                       : t == DType::bf16    ? 0x7fc0
                                             : 0x7e00;
  if (std::isnan(v)) return nan;
  const uint32_t sign = std::signbit(v) ? 1u << (f.bits - 1) : 0;
  const double magnitude = std::fabs(v);
  uint32_t largest = (1u << (f.bits - 1)) - 1;
  while (!std::isfinite(number(largest, t))) --largest;
  uint32_t below = 0, above = largest;  // number(below) <= magnitude
  if (magnitude >= number(largest, t)) {
    if (!f.has_infinity) return sign | largest;
    const double step = number(largest, t) - number(largest - 1, t);
    return sign | (magnitude - number(largest, t) < step / 2 ? largest : largest + 1);
  }
  while (above - below > 1) {
    const uint32_t middle = (above + below) / 2;
    (number(middle, t) <= magnitude ? below : above) = middle;
  }
  const double down = magnitude - number(below, t), up = number(above, t) - magnitude;
  return sign | (down < up || (down == up && below % 2 == 0) ? below : above);
}

TEST(Narrow, DecodesEveryFloat) {
  for (DType t : kFloats) {
    std::vector<uint32_t> codes;
    for (uint32_t c = 0; c < 1u << bits(t); ++c) codes.push_back(c);
    const auto got = run<float>(kU32, kF32, codes, [t](Value v) { return decode(v, t); });
    for (uint32_t c : codes) {
      const double expected = number(c, t);
      if (std::isnan(expected)) {
        ASSERT_TRUE(std::isnan(got[c])) << name(t) << " " << c;
      } else {
        ASSERT_EQ(std::bit_cast<uint32_t>(got[c]),
                  std::bit_cast<uint32_t>(static_cast<float>(expected)))
            << name(t) << " " << c;
      }
    }
    const auto back =
        run<uint32_t>(kU32, kU32, codes, [t](Value v) { return encode(decode(v, t), t); });
    for (uint32_t c : codes) {
      if (!std::isnan(number(c, t))) {
        ASSERT_EQ(back[c], c) << name(t);
      }
    }
  }
}

TEST(Narrow, DecodeIgnoresTheOtherBitsOfTheWord) {
  for (DType t : kFloats) {
    const std::vector<uint32_t> words = {0xabcd0000u | (bits(t) == 8 ? 0x1200 : 0) | 0x35};
    EXPECT_EQ(run<float>(kU32, kF32, words, [t](Value v) { return decode(v, t); })[0],
              static_cast<float>(number(0x35, t)));
  }
}

std::vector<double> samples(DType t) {
  const Format f = format(t);
  std::vector<double> all = {0.0,   -0.0,  kInf,    -kInf, std::nan(""), 448,    464,   465,
                             480,   1e30,  -1e30,   65504, 65519,        65520,  65535, 57344,
                             61440, 61439, 3.39e38, 1.97,  1e-30,        5e-324, 1e300, -1e-300};
  std::mt19937_64 random(7);
  // Numbers of the format, the middle between two of them, and close neighbours of both.
  for (int i = 0; i < 3000; ++i) {
    const uint32_t code = static_cast<uint32_t>(random()) & ((1u << f.bits) - 1);
    const double a = number(code, t), b = number(code ^ 1, t);
    if (!std::isfinite(a) || !std::isfinite(b)) continue;
    const double middle = (a + b) / 2;
    for (double v : {a, middle, std::nextafter(middle, kInf), std::nextafter(middle, -kInf)}) {
      all.push_back(v);
    }
    all.push_back(
        std::nextafter(static_cast<float>(middle), std::numeric_limits<float>::infinity()));
    all.push_back(
        std::nextafter(static_cast<float>(middle), -std::numeric_limits<float>::infinity()));
    all.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
    all.push_back(std::bit_cast<double>(random()));
  }
  return all;
}

TEST(Narrow, EncodesToTheNearest) {
  for (DType t : kFloats) {
    std::vector<double> wide = samples(t);
    std::vector<float> single(wide.begin(), wide.end());
    const auto from_f32 = run<uint32_t>(kF32, kU32, single, [t](Value v) { return encode(v, t); });
    const auto from_f64 = run<uint32_t>(kF64, kU32, wide, [t](Value v) { return encode(v, t); });
    for (size_t i = 0; i < wide.size(); ++i) {
      ASSERT_EQ(from_f32[i], nearest(single[i], t)) << name(t) << std::hexfloat << " " << single[i];
      ASSERT_EQ(from_f64[i], nearest(wide[i], t)) << name(t) << std::hexfloat << " " << wide[i];
    }
  }
}

TEST(Narrow, RoundsToWhatWouldBeDecoded) {
  for (DType t : kFloats) {
    const std::vector<double> wide = samples(t);
    const std::vector<float> single(wide.begin(), wide.end());
    const auto rounded = [t](Value v) { return round_to(v, t); };
    const auto decoded = [t](Value v) { return decode(encode(v, t), t); };
    EXPECT_EQ(run<uint32_t>(kF32, kU32, single, rounded),
              run<uint32_t>(kF32, kU32, single, decoded));
    EXPECT_EQ(run<uint32_t>(kF64, kU32, wide, rounded), run<uint32_t>(kF64, kU32, wide, decoded));
  }
}

TEST(Narrow, NumbersOfTheTypeAreNotRounded) {
  for (DType t : kFloats) {
    std::vector<uint32_t> codes;
    for (uint32_t c = 0; c < 1u << bits(t); ++c) codes.push_back(c);
    const auto encoded = [t](Value v) { return encode(decode(v, t), t); };
    const auto exact = [t](Value v) { return encode_exact(decode(v, t), t); };
    const auto rounded = [t](Value v) { return encode_exact(round_to(decode(v, t), t), t); };
    const std::vector<uint32_t> expected = run<uint32_t>(kU32, kU32, codes, encoded);
    EXPECT_EQ(run<uint32_t>(kU32, kU32, codes, exact), expected) << name(t);
    EXPECT_EQ(run<uint32_t>(kU32, kU32, codes, rounded), expected) << name(t);
    if (bits(t) != 16) continue;
    const auto pairs = run<uint32_t>(kU32, kU32, codes, [t](Value v) {
      return encode_exact_pair(decode(v, t), decode(v ^ 0x8000u, t), t);
    });
    for (uint32_t c : codes) ASSERT_EQ(pairs[c], expected[c] | expected[c ^ 0x8000] << 16);
  }
}

TEST(Narrow, NothingIsRoundedTwice) {
  for (DType t : {DType::bf16, DType::f16}) {
    Builder b("twice");
    const Value in = b.buffer("in", Access::read), out = b.buffer("out", Access::write);
    const Value x = b.load(in, b.u32(0), kF32);
    b.store(out, b.u32(0), encode_exact(round_to(round_to(x, t), t), t));
    int roundings = 0;
    for (const Inst& inst : simplify(b.finish()).body) {
      roundings += inst.op == Opcode::round_bf16 || inst.op == Opcode::round_f16 ||
                   inst.op == Opcode::to_f16;
    }
    EXPECT_EQ(roundings, 1) << name(t);
  }
}

TEST(Narrow, RoundsThroughTheFormat) {
  const std::vector<float> in = {1.97f, 500.0f, -1e-9f};
  const auto got =
      run<float>(kF32, kF32, in, [](Value v) { return round_to(v, DType::f8_e4m3fn); });
  EXPECT_EQ(got[0], 2.0f);
  EXPECT_EQ(got[1], 448.0f);
  EXPECT_EQ(std::bit_cast<uint32_t>(got[2]), 0x80000000u);
}

TEST(Narrow, IntegersWrapAndExtend) {
  const std::vector<uint32_t> words = {0,   1,   2,   3,     7,     8,     15,    16,        127,
                                       128, 255, 256, 32767, 32768, 65535, 65536, 0xffffffff};
  for (DType t : {DType::u2, DType::u4, DType::u8, DType::u16, DType::u32, DType::s2, DType::s4,
                  DType::s8, DType::s16, DType::s32}) {
    const int width = bits(t);
    const uint64_t mask = (uint64_t{1} << width) - 1;
    const auto decoded = run<uint32_t>(kU32, kU32, words, [t](Value v) { return decode(v, t); });
    const auto encoded = run<uint32_t>(kU32, kU32, words, [t](Value v) { return encode(v, t); });
    for (size_t i = 0; i < words.size(); ++i) {
      const uint64_t low = words[i] & mask;
      const bool negative = is_signed_int(t) && (low >> (width - 1)) != 0;
      EXPECT_EQ(decoded[i], static_cast<uint32_t>(negative ? low | ~mask : low))
          << name(t) << words[i];
      EXPECT_EQ(encoded[i], low) << name(t) << words[i];
    }
  }
}

TEST(Narrow, RefusesWideTypes) {
  Builder b("refused");
  EXPECT_THROW(decode(b.u32(1), DType::u64), Error);
  EXPECT_THROW(encode(b.f32(1), DType::f64), Error);
  EXPECT_THROW(encode(b.u32(1), DType::s64), Error);
}

}  // namespace
}  // namespace nxv::ir
