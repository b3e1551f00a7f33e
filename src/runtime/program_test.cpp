// Schedules that are kept: graphs of one structure are scheduled once and keep their own values.
#include "runtime/program.h"

#include <gtest/gtest.h>

#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

uint64_t schedules(Engine& engine) {
  uint64_t n = 0;
  engine.call([&](Executor& executor, vulkan::Device&) { n = executor.schedules(); });
  return n;
}

NodeRef number(Engine& engine, DType type, double v) {
  return constant(engine.graveyard(), make_scalar(type, v), {});
}

TEST(Program, ServesOtherScalarsAndOperands) {
  NXV_OPEN_OR_SKIP(engine);
  const auto run = [&](float a, double b, int32_t c) {
    const NodeRef x = vector<float>(*engine, {a, a + 1});
    const NodeRef y =
        elementwise(Op::multiply, {elementwise(Op::add, {x, number(*engine, DType::f32, b)}),
                                   number(*engine, DType::s32, c)});
    return elements<float>(*engine, y);
  };
  EXPECT_EQ(run(1, 2, 3), (std::vector<float>{9, 12}));
  const uint64_t before = schedules(*engine);
  EXPECT_EQ(run(5, -0.5, -2), (std::vector<float>{-9, -11}));
  EXPECT_EQ(run(0, 0.25, 8), (std::vector<float>{2, 10}));
  EXPECT_EQ(schedules(*engine), before);
}

TEST(Program, ServesOtherRandomStreams) {
  NXV_OPEN_OR_SKIP(engine);
  const auto run = [&](uint64_t seed, uint64_t offset, double low, double high) {
    return elements<float>(*engine, random(engine->graveyard(), Op::random_uniform, DType::f32,
                                           {64}, {seed, offset, low, high}));
  };
  const auto first = run(1, 0, 0, 1), again = run(1, 0, 0, 1);
  EXPECT_EQ(first, again);
  const auto other = run(uint64_t{1} << 40, 0, 0, 1), later = run(1, 1, 0, 1);
  EXPECT_NE(first, other);
  EXPECT_EQ(first[4], later[0]);
  for (float v : run(1, 0, 5, 6)) EXPECT_TRUE(v >= 5 && v < 6);
  EXPECT_EQ(schedules(*engine), 1u);
}

TEST(Program, AliasesAndSharedInputsFindTheirValues) {
  NXV_OPEN_OR_SKIP(engine);
  const auto run = [&](float a) {
    const NodeRef x = vector<float>(*engine, {a, a, a, a});
    const NodeRef m = matmul(reshape(x, {2, 2}), reshape(elementwise(Op::exp, {x}), {2, 2}));
    return elements<float>(*engine, reshape(m, {4}));
  };
  EXPECT_EQ(run(0), (std::vector<float>{0, 0, 0, 0}));
  const uint64_t before = schedules(*engine);
  const auto ones = run(1);
  for (float v : ones) EXPECT_FLOAT_EQ(v, 2 * 2.7182817f);
  EXPECT_EQ(schedules(*engine), before);
}

TEST(Program, FaultsBelongToTheirOwnValue) {
  NXV_OPEN_OR_SKIP(engine);
  const auto divide = [&](int32_t by) {
    return elementwise(Op::quotient,
                       {vector<int32_t>(*engine, {6, 8}), vector<int32_t>(*engine, {2, by})});
  };
  const NodeRef good = divide(4), bad = divide(0), better = divide(8);
  EXPECT_EQ(elements<int32_t>(*engine, good), (std::vector<int32_t>{3, 2}));
  EXPECT_EQ(status_of(*engine, bad), Status::arithmetic);
  EXPECT_EQ(elements<int32_t>(*engine, better), (std::vector<int32_t>{3, 1}));
  EXPECT_EQ(schedules(*engine), 1u);
}

// Of the values of one kernel, too.
TEST(Program, FaultsOfOperandsBelongToWhatReadsThem) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef x = vector<int32_t>(*engine, {6, 8});
  const NodeRef ratio = elementwise(Op::quotient, {x, vector<int32_t>(*engine, {2, 0})});
  engine->evaluate(ratio);
  engine->call([](Executor&, vulkan::Device&) {});
  const uint64_t before = engine->counters().dispatches;
  const NodeRef bad = elementwise(Op::add, {x, ratio}), good = elementwise(Op::add, {x, x});
  engine->evaluate({bad, good});
  EXPECT_EQ(elements<int32_t>(*engine, good), (std::vector<int32_t>{12, 16}));
  EXPECT_EQ(status_of(*engine, bad), Status::arithmetic);
  EXPECT_EQ(engine->counters().dispatches - before, 1U);
}

TEST(Program, ManyStructuresAreForgottenWithoutHarm) {
  NXV_OPEN_OR_SKIP(engine);
  // A matrix product is a step of its own: enough of them to pass any bound on what is kept.
  for (int64_t n = 1; n <= 90; ++n) {
    const float share = 1 / static_cast<float>(n);
    const NodeRef x = vector<float>(*engine, std::vector<float>(n, share));
    NodeRef y = reshape(x, {1, n});
    const NodeRef ones = tensor<float>(*engine, {n, n}, std::vector<float>(n * n, share));
    for (int i = 0; i < 200; ++i) y = matmul(y, ones);
    EXPECT_NEAR(elements<float>(*engine, y)[0], share, 1e-3f * share) << n;
  }
}

// A loop that reads something of its state in each round, and never the state.
TEST(Program, WhatIsComputedTwiceIsStoredTheSecondTime) {
  NXV_OPEN_OR_SKIP(engine);
  for (const Shape& shape : {Shape{}, Shape{1000}}) {
    const uint64_t before = engine->counters().kernels_compiled;
    NodeRef x = cast(iota(engine->graveyard(), DType::s32, shape, -1), DType::f32);
    for (int round = 1; round <= 40; ++round) {
      x = elementwise(Op::add, {x, number(*engine, DType::f32, 1)});
      engine->admit(x);
      const NodeRef least = reduce(Op::reduce_min, x, {}, false);
      engine->admit(least);
      EXPECT_EQ(elements<float>(*engine, least)[0], static_cast<float>(round));
    }
    EXPECT_LE(engine->counters().kernels_compiled - before, 4U) << to_string(shape);
  }
}

}  // namespace
}  // namespace nxv::runtime
