#include "spirv/translate.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

#include "ir/builder.h"
#include "spirv/module_words_test.h"

namespace nxv::spirv {
namespace {

using ir::Access;
using ir::Builder;
using ir::Value;

bool has_mode(const Words& words, spv::ExecutionMode mode, uint32_t width) {
  bool found = false;
  each_instruction(words, [&](spv::Op op, const uint32_t* operands) {
    found |= op == spv::Op::OpExecutionMode && operands[1] == word(mode) && operands[2] == width;
  });
  return found;
}

TEST(Translate, FloatControlsFollowTheDeviceAndTheTypesInUse) {
  Builder b("controls", 1);
  const Value in = b.buffer("in", Access::read_write);
  const Value x = b.load(in, b.u32(0), ir::kF32);
  b.store(in, b.u32(0), x + x);
  const ir::Kernel kernel = b.finish();
  const Words with = check(kernel);
  EXPECT_TRUE(has_mode(with, spv::ExecutionMode::SignedZeroInfNanPreserve, 32));
  EXPECT_TRUE(has_mode(with, spv::ExecutionMode::DenormPreserve, 32));
  EXPECT_TRUE(has_mode(with, spv::ExecutionMode::RoundingModeRTE, 32));
  EXPECT_FALSE(has_mode(with, spv::ExecutionMode::SignedZeroInfNanPreserve, 64));
  const Words without = check(kernel, {false, false, false, false, false, false});
  EXPECT_EQ(count(without, spv::Op::OpExecutionMode), 1);
}

TEST(Translate, ConstantsAreDeclaredOnce) {
  Builder b("constants", 1);
  const Value out = b.buffer("out", Access::write);
  Value sum = b.builtin(ir::Builtin::group_x);
  for (uint32_t i = 0; i < 300; ++i) sum = sum + b.u32(100 + i % 100);
  b.store(out, b.u32(100), sum);
  // The literals 100 to 199, and the 0 that indexes the blocks.
  EXPECT_EQ(count(check(b.finish()), spv::Op::OpConstant), 101);
}

TEST(Translate, ThirtyInstructionsTakeMicroseconds) {
  Builder b("small", 64);
  const Value in = b.buffer("in", Access::read, true);
  const Value out = b.buffer("out", Access::write, true);
  const Value n = b.param("n", ir::kU32);
  const Value i = b.builtin(ir::Builtin::group_x) * 64 + b.builtin(ir::Builtin::local_index);
  b.if_(i < n, [&] {
    Value x = b.load(in, i, ir::kF32);
    for (int j = 0; j < 8; ++j) x = x * b.f32(1.5f + static_cast<float>(j)) + x;
    b.store(out, i, x);
  });
  const ir::Kernel kernel = b.finish();
  constexpr int kRuns = 200;
  const auto begin = std::chrono::steady_clock::now();
  size_t words = 0;
  for (int run = 0; run < kRuns; ++run) words += translate(kernel).size();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("microseconds", std::to_string(took.count() / kRuns));
  std::printf("%zu instructions, %zu words: %.1f us\n", kernel.body.size(), words / kRuns,
              took.count() / kRuns);
  EXPECT_LT(took.count() / kRuns, 1000);
}

}  // namespace
}  // namespace nxv::spirv
