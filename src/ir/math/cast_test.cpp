#include "ir/math/cast.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "testing/interpreter/interpreter.h"

namespace nxv::ir::math {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

constexpr DType kIntegers[] = {DType::u2, DType::u4, DType::u8, DType::u16, DType::u32, DType::u64,
                               DType::s2, DType::s4, DType::s8, DType::s16, DType::s32, DType::s64};

template <typename To, typename From>
std::vector<To> run(Type from, Type to, const std::vector<From>& in, Value (*f)(Value, DType),
                    DType type) {
  Builder b("cast", 64);
  const Value source = b.buffer("in", Access::read), target = b.buffer("out", Access::write);
  const Value count = b.param("count", kU32);
  const Value i = b.builtin(Builtin::group_x) * 64 + b.builtin(Builtin::local_index);
  b.if_(i < count, [&] { b.store(target, i, b.bitcast(f(b.load(source, i, from), type), to)); });
  const Kernel kernel = b.finish();
  std::vector<To> out(in.size());
  std::vector<testing::Argument> arguments;
  for (const Param& p : kernel.params) {
    arguments.push_back(p.name == "in" ? testing::Argument::buffer(in)
                        : p.name == "out"
                            ? testing::Argument::buffer(out)
                            : testing::Argument::number<uint32_t>(
                                  p.name == "count" ? static_cast<uint32_t>(in.size()) : 0));
  }
  testing::run(kernel, {static_cast<uint32_t>((in.size() + 63) / 64), 1, 1}, arguments);
  return out;
}

// The value of the type that v becomes, as 64 bits.
int64_t expected_integer(double v, DType to) {
  const int width = bits(to);
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  uint64_t wrapped;
  if (std::isnan(v)) {
    wrapped = 0;
  } else if (std::isinf(v)) {
    const uint64_t largest = is_signed_int(to) ? mask >> 1 : mask;
    wrapped = v > 0 ? largest : is_signed_int(to) ? ~largest : 0;
  } else {
    const auto magnitude = static_cast<uint64_t>(std::fmod(std::trunc(std::fabs(v)), 0x1p64));
    wrapped = v < 0 ? -magnitude : magnitude;
  }
  wrapped &= mask;
  if (is_signed_int(to) && (wrapped >> (width - 1)) != 0) wrapped |= ~mask;
  return static_cast<int64_t>(wrapped);
}

std::vector<double> samples(bool f32) {
  std::vector<double> all = {
      0.0,     -0.0,   0.5,     -0.5,         0.99,         1,
      -1,      300.7,  -300.7,  127.9,        -128.9,       1.0e20,
      -1.0e20, kInf,   -kInf,   std::nan(""), 0x1p31,       -0x1p31,
      0x1p32,  0x1p63, -0x1p63, 0x1p64,       0x1p65,       0x1.8p64,
      1e30,    5e-324, 1e-40,   2147483647.0, 4294967295.0, 9007199254740993.0,
      1e300};
  std::mt19937_64 random(3);
  for (int i = 0; i < 3000; ++i) {
    const double exponent = std::uniform_real_distribution(-3.0, 90.0)(random);
    all.push_back(std::exp2(exponent) * (random() % 2 ? 1 : -1));
  }
  if (f32) {
    for (double& v : all) v = static_cast<float>(v);
  }
  return all;
}

template <typename From>
void check_float_to_int(Type from, bool f32) {
  std::vector<From> in;
  for (double v : samples(f32)) in.push_back(static_cast<From>(v));
  for (DType to : kIntegers) {
    const bool wide = bits(to) == 64;
    std::vector<int64_t> got;
    if (wide) {
      got = run<int64_t>(from, kS64, in, float_to_int, to);
    } else if (is_signed_int(to)) {
      for (int32_t v : run<int32_t>(from, kS32, in, float_to_int, to)) got.push_back(v);
    } else {
      for (uint32_t v : run<uint32_t>(from, kU32, in, float_to_int, to)) got.push_back(v);
    }
    for (size_t i = 0; i < in.size(); ++i) {
      ASSERT_EQ(got[i], expected_integer(in[i], to)) << in[i] << " to " << name(to);
    }
  }
}

TEST(FloatToInt, TruncatesThenWraps) {
  EXPECT_EQ(expected_integer(300.7, DType::u8), 44);
  EXPECT_EQ(expected_integer(1.0e20f, DType::s64), 7766281635539976192);  // as an f32
  check_float_to_int<float>(kF32, true);
  check_float_to_int<double>(kF64, false);
}

template <typename Int>
void check_int_to_float(Type from) {
  std::vector<Int> in = {0,
                         1,
                         static_cast<Int>(-1),
                         std::numeric_limits<Int>::max(),
                         std::numeric_limits<Int>::min(),
                         16777217,
                         16777219,
                         33554434,
                         33554438};
  std::mt19937_64 random(5);
  for (int i = 0; i < 4000; ++i) in.push_back(static_cast<Int>(random() >> (random() % 64)));
  // Ties, and numbers next to them.
  for (int i = 0; i < 2000; ++i) {
    const int shift = static_cast<int>(random() % (sizeof(Int) * 8 - 25));
    const uint64_t tie = ((random() % (1u << 25)) | (1u << 24) | 1) << shift;
    in.push_back(static_cast<Int>(tie + random() % 3 - 1));
  }
  const auto f32 = run<float>(
      from, kF32, in, [](Value v, DType) { return int_to_float(v, kF32); }, DType::f32);
  const auto f64 = run<double>(
      from, kF64, in, [](Value v, DType) { return int_to_float(v, kF64); }, DType::f64);
  for (size_t i = 0; i < in.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(f32[i]), std::bit_cast<uint32_t>(static_cast<float>(in[i])))
        << in[i];
    ASSERT_EQ(std::bit_cast<uint64_t>(f64[i]), std::bit_cast<uint64_t>(static_cast<double>(in[i])))
        << in[i];
  }
}

TEST(IntToFloat, RoundsToNearestEven) {
  check_int_to_float<uint32_t>(kU32);
  check_int_to_float<int32_t>(kS32);
  check_int_to_float<uint64_t>(kU64);
  check_int_to_float<int64_t>(kS64);
}

}  // namespace
}  // namespace nxv::ir::math
