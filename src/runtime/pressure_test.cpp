// Memory, long chains, and failures of the device.
#include <gtest/gtest.h>

#include <atomic>

#include "testing/driver/engine_fixture.h"
#include "testing/driver/fake_driver.h"

namespace nxv::runtime {
namespace {

using nxv::testing::FakeDriver;

constexpr int64_t kMega = int64_t{1} << 18;  // f32 elements of 1 MiB

NodeRef add(const NodeRef& a, const NodeRef& b) { return elementwise(Op::add, {a, b}); }

EngineOptions with_budget(uint64_t mebibytes) {
  EngineOptions options = test_options();
  options.device.plan.memory_budget = mebibytes << 20;
  return options;
}

TEST(Memory, ComesBackToTheByte) {
  NXV_OPEN_OR_SKIP(engine);
  {
    const NodeRef warm = add(filled(*engine, 3, 1), filled(*engine, 3, 1));
    read(*engine, warm);
  }
  const uint64_t before = settled(*engine);
  {
    std::vector<NodeRef> held;
    for (int64_t n : {1, 3, 1000, 100000}) {
      const NodeRef x = filled(*engine, n, 1);
      held.push_back(add(x, x));
      held.push_back(reduce(Op::sum, held.back(), {}, false));
      held.push_back(reshape(x, {1, n}));
      for (const NodeRef& h : held) read(*engine, h);
    }
    const NodeRef i = vector<int32_t>(*engine, {1, 2});
    const NodeRef q = elementwise(Op::quotient, {i, i});
    read(*engine, q);
    EXPECT_GT(engine->memory().in_use, before);
  }
  EXPECT_EQ(settled(*engine), before);
  EXPECT_EQ(engine->graveyard()->live_nodes(), 0);
}

TEST(Memory, SixThousandCyclesOfAMegabyte) {
  NXV_OPEN_OR_SKIP(engine, with_budget(64));
  const uint64_t before = settled(*engine);
  const NodeRef x = filled(*engine, kMega, 1);
  for (int i = 0; i < 6000; ++i) {
    const NodeRef y = add(x, x);
    engine->evaluate(y);
    engine->admit(y);
    if (i % 1000 == 999) {
      EXPECT_EQ(status_of(*engine, y), Status::ok) << i;
    }
  }
  engine->trim();
  EXPECT_LE(engine->memory().peak, uint64_t{64} << 20);
  EXPECT_EQ(engine->memory().in_use, before + (uint64_t{1} << 20));
}

TEST(Memory, LongChainsNeitherCrashNorGrow) {
  NXV_OPEN_OR_SKIP(engine);
  const NodeRef one = filled(*engine, 4, 1);
  NodeRef x = filled(*engine, 4, 0);
  for (int i = 0; i < 100000; ++i) {
    x = add(x, one);
    engine->admit(x);
  }
  EXPECT_EQ(elements<float>(*engine, x)[0], 100000);
  engine->trim();
  EXPECT_LT(engine->graveyard()->live_nodes(), 1000);
  EXPECT_LT(engine->memory().blocks, 100u);
}

TEST(Memory, ExhaustionIsAnErrorAndTheDeviceLives) {
  NXV_OPEN_OR_SKIP(engine, with_budget(16));
  std::vector<NodeRef> held;
  Answer answer;
  for (int i = 0; i < 40 && !answer.failure; ++i) {
    const NodeRef x = filled(*engine, kMega, 1);
    held.push_back(add(x, x));
    answer = read(*engine, held.back());
  }
  EXPECT_EQ(answer.failure.status, Status::alloc_failed) << answer.failure.message;
  EXPECT_NE(answer.failure.message.str().find("budget"), std::string::npos)
      << answer.failure.message;
  // What could not be stored can be when there is room again.
  const NodeRef last = held.back();
  held.clear();
  EXPECT_EQ(status_of(*engine, last), Status::ok);
  const NodeRef small = filled(*engine, 4, 1);
  EXPECT_EQ(elements<float>(*engine, add(small, small))[0], 2);
  const NodeRef huge = constant(engine->graveyard(), make_scalar(DType::f32, 1.0), {64 * kMega});
  EXPECT_EQ(status_of(*engine, add(huge, huge)), Status::alloc_failed);
  EXPECT_EQ(elements<float>(*engine, reduce(Op::sum, huge, {}, false))[0], 64 * kMega);
}

TEST(DeviceLoss, EveryReadIsAnsweredAndAnotherEngineOpens) {
  FakeDriver driver;
  EngineOptions options = test_options();
  options.device.inject = driver.hook();
  NXV_OPEN_OR_SKIP(engine, options);
  const NodeRef x = filled(*engine, 1000, 1);
  read(*engine, add(x, x));
  driver.fail_from(0, nxv::testing::kDeviceLost);
  std::vector<std::future<Answer>> answers;
  for (int i = 0; i < 50; ++i)
    answers.push_back(read_later(*engine, add(x, filled(*engine, 1000, 2))));
  for (auto& a : answers) EXPECT_EQ(a.get().failure.status, Status::device_lost);
  EXPECT_EQ(status_of(*engine, elementwise(Op::exp, {x})), Status::device_lost);
  driver.heal();
  EXPECT_EQ(status_of(*engine, elementwise(Op::sin, {x})), Status::device_lost) << "sticky";
  const auto other = open_or_null();
  const NodeRef y = filled(*other, 10, 1);
  EXPECT_EQ(elements<float>(*other, add(y, y))[0], 2);
}

// The n-th call of each name fails, for the first n of each: no crash, no lost answer.
TEST(DeviceLoss, AnyCallMayFail) {
  const auto program = [](Engine& engine) {
    const NodeRef x = filled(engine, 30000, 1);
    const NodeRef sum = reduce(Op::sum, add(x, x), {}, false);
    auto first = read_later(engine, sum), second = read_later(engine, add(x, sum));
    return std::pair(first.get().failure.status, second.get().failure.status);
  };
  FakeDriver driver;
  EngineOptions options = test_options();
  options.device.inject = driver.hook();
  std::map<std::string, int> calls;
  {
    NXV_OPEN_OR_SKIP(engine, options);
    driver.heal();
    program(*engine);
    calls = driver.calls();
  }
  for (const auto& [call, count] : calls) {
    for (int n = 0; n < std::min(count, 2); ++n) {
      for (int result : {nxv::testing::kOutOfDeviceMemory, nxv::testing::kDeviceLost}) {
        const auto engine = open_or_null(options);
        driver.fail_call(call, n, result);
        program(*engine);
        driver.heal();
        // Whatever happened, the engine still answers.
        const NodeRef y = filled(*engine, 3, 1);
        read(*engine, add(y, y));
      }
    }
  }
}

TEST(Pressure, ThresholdAdapts) {
  NXV_OPEN_OR_SKIP(engine, with_budget(64));
  EXPECT_FALSE(engine->under_pressure());
  engine->hold(int64_t{20} << 20);
  EXPECT_TRUE(engine->under_pressure());
  engine->pressure_relieved();
  EXPECT_FALSE(engine->under_pressure());
  engine->hold(int64_t{40} << 20);
  EXPECT_TRUE(engine->under_pressure());
  engine->hold(-(int64_t{60} << 20));
  EXPECT_FALSE(engine->under_pressure());
}

}  // namespace
}  // namespace nxv::runtime
