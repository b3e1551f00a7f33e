#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "testing/interpreter/apply_test.h"

namespace nxv::testing {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(Interpreter, IntegerArithmetic) {
  EXPECT_EQ(apply<uint32_t>(Opcode::add, 0xffffffff, 2), 1u);
  EXPECT_EQ(apply<uint32_t>(Opcode::sub, 1, 2), 0xffffffffu);
  EXPECT_EQ(apply<int32_t>(Opcode::mul, -3, 5), -15);
  EXPECT_EQ(apply<int32_t>(Opcode::div, -7, 2), -3);
  EXPECT_EQ(apply<int32_t>(Opcode::rem, -7, 2), -1);
  EXPECT_EQ(apply<uint32_t>(Opcode::div, 0xfffffff9, 2), 0x7ffffffcu);
  EXPECT_EQ(apply<uint32_t>(Opcode::rem, 7, 4), 3u);
  EXPECT_EQ(apply<int64_t>(Opcode::mul, int64_t{1} << 40, -3), -(int64_t{3} << 40));
  EXPECT_EQ(apply<int64_t>(Opcode::div, std::numeric_limits<int64_t>::min(), 3),
            std::numeric_limits<int64_t>::min() / 3);
  EXPECT_EQ(apply<int32_t>(Opcode::min, -1, 1), -1);
  EXPECT_EQ(apply<uint32_t>(Opcode::min, 0xffffffff, 1), 1u);
  EXPECT_EQ(apply<int64_t>(Opcode::max, -1, 1), 1);
  EXPECT_EQ(apply<uint32_t>(Opcode::mul_hi, 0xffffffff, 0xffffffff), 0xfffffffeu);
  EXPECT_EQ(apply<int32_t>(Opcode::mul_hi, -1, 5), -1);
  EXPECT_EQ(apply<int32_t>(Opcode::neg, 5), -5);
  EXPECT_EQ(apply<int32_t>(Opcode::abs, -5), 5);
  EXPECT_EQ(apply<int32_t>(Opcode::abs, std::numeric_limits<int32_t>::min()),
            std::numeric_limits<int32_t>::min());
  EXPECT_EQ(apply<uint64_t>(Opcode::neg, 1), ~uint64_t{0});
}

TEST(Interpreter, WhatTheIrLeavesUndefinedIsPoison) {
  const auto poison = static_cast<uint32_t>(kPoison);
  EXPECT_EQ(apply<uint32_t>(Opcode::div, 5, 0), poison);
  EXPECT_EQ(apply<int32_t>(Opcode::rem, std::numeric_limits<int32_t>::min(), -1),
            static_cast<int32_t>(poison));
  const auto shifted =
      map<uint32_t, uint32_t>({31, 32, 33}, [](Builder& b, Value v) { return b.u32(1) << v; });
  EXPECT_EQ(shifted, (std::vector{0x80000000u, poison, poison}));
  const auto converted =
      map<int32_t, float>({1e10f, -2147483648.0f, kNaN, -2.9f},
                          [](Builder& b, Value v) { return b.convert(v, ir::kS32); });
  EXPECT_EQ(converted, (std::vector{static_cast<int32_t>(poison), INT32_MIN,
                                    static_cast<int32_t>(poison), -2}));
  EXPECT_EQ(apply<float>(Opcode::max, kNaN, 1.0f), std::bit_cast<float>(poison));
}

TEST(Interpreter, FloatArithmetic) {
  EXPECT_EQ(apply<float>(Opcode::add, 1.0f, 0x1p-24f), 1.0f);
  EXPECT_EQ(apply<double>(Opcode::add, 1.0, 0x1p-24), 1.0 + 0x1p-24);
  EXPECT_EQ(apply<float>(Opcode::div, 1.0f, 3.0f), 1.0f / 3.0f);
  EXPECT_EQ(apply<float>(Opcode::rem, -7.5f, 2.0f), -1.5f);
  EXPECT_EQ(apply<float>(Opcode::mul, kInf, -2.0f), -kInf);
  EXPECT_TRUE(std::isnan(apply<float>(Opcode::sub, kInf, kInf)));
  EXPECT_EQ(apply<double>(Opcode::sqrt, 2.0), std::sqrt(2.0));
  EXPECT_EQ(apply<float>(Opcode::floor, -1.5f), -2.0f);
  EXPECT_EQ(apply<float>(Opcode::ceil, -1.5f), -1.0f);
  EXPECT_EQ(apply<float>(Opcode::trunc, -1.5f), -1.0f);
  EXPECT_EQ(apply<float>(Opcode::round_even, 2.5f), 2.0f);
  EXPECT_EQ(apply<float>(Opcode::round_even, 3.5f), 4.0f);
  EXPECT_EQ(apply<float>(Opcode::min, 2.0f, 1.0f), 1.0f);
  EXPECT_TRUE(std::signbit(apply<float>(Opcode::neg, 0.0f)));
}

TEST(Interpreter, SubnormalsAreFlushedByF32ArithmeticOnRequest) {
  const InterpreterOptions flushing{.flush_subnormals = true};
  EXPECT_EQ(apply<float>(Opcode::add, 1e-40f, 1e-40f), 1e-40f + 1e-40f);
  EXPECT_EQ(apply<float>(Opcode::add, 1e-40f, 1e-40f, flushing), 0.0f);
  EXPECT_EQ(apply<float>(Opcode::mul, 1e-30f, 1e-10f, flushing), 0.0f);
  EXPECT_TRUE(std::signbit(apply<float>(Opcode::mul, -1e-30f, 1e-10f, flushing)));
  EXPECT_EQ(apply<double>(Opcode::add, 1e-310, 1e-310, flushing), 2e-310);
  const auto moved = map<float, float>(
      {1e-40f},
      [](Builder& b, Value v) { return b.select(b.boolean(true), b.bitcast(v, ir::kF32), v); },
      flushing);
  EXPECT_EQ(moved[0], 1e-40f);
  const auto widened = map<double, float>(
      {1e-40f}, [](Builder& b, Value v) { return b.convert(v, ir::kF64); }, flushing);
  EXPECT_EQ(widened[0], 0.0);
  const auto narrowed = map<float, double>(
      {1e-40}, [](Builder& b, Value v) { return b.convert(v, ir::kF32); }, flushing);
  EXPECT_EQ(narrowed[0], 1e-40f);
}

TEST(Interpreter, FmaIsFusedOnRequest) {
  const auto square_minus_one = [](Builder& b, Value v) { return b.fma(v, v, b.f32(-1.0f)); };
  const float x = 1 + 0x1p-20f;
  EXPECT_EQ((map<float, float>({x}, square_minus_one)[0]), x * x - 1);
  EXPECT_EQ((map<float, float>({x}, square_minus_one, {.fused_fma = true})[0]),
            std::fma(x, x, -1.0f));
  EXPECT_NE(x * x - 1, std::fma(x, x, -1.0f));
}

TEST(Interpreter, Bits) {
  EXPECT_EQ(apply<uint32_t>(Opcode::bit_and, 12, 10), 8u);
  EXPECT_EQ(apply<uint32_t>(Opcode::bit_or, 12, 10), 14u);
  EXPECT_EQ(apply<uint64_t>(Opcode::bit_xor, 12, 10), 6u);
  EXPECT_EQ(apply<uint32_t>(Opcode::bit_not, 0), 0xffffffffu);
  EXPECT_EQ((map<int32_t, int32_t>({-8}, [](Builder&, Value v) { return v >> 1; })[0]), -4);
  EXPECT_EQ((map<uint32_t, uint32_t>({0xfffffff8}, [](Builder&, Value v) { return v >> 1; })[0]),
            0x7ffffffcu);
  EXPECT_EQ((map<int64_t, int64_t>({-8}, [](Builder&, Value v) { return v << 60; })[0]), INT64_MIN);
  const auto clz = [](Builder& b, Value v) { return b.unary(Opcode::clz, v); };
  const auto popcount = [](Builder& b, Value v) { return b.unary(Opcode::popcount, v); };
  EXPECT_EQ((map<uint32_t, uint32_t>({0, 1, 0xffffffff}, clz)), (std::vector{32u, 31u, 0u}));
  EXPECT_EQ((map<uint32_t, uint64_t>({0, 1, 1ull << 40}, clz)), (std::vector{64u, 63u, 23u}));
  EXPECT_EQ((map<uint32_t, uint64_t>({0, 0x8000000100000001}, popcount)), (std::vector{0u, 3u}));
}

}  // namespace
}  // namespace nxv::testing
