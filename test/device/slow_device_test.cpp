// A device that counts as slower than it is: what takes long goes out in parts, with the same bits.
#include <gtest/gtest.h>

#include "testing/driver/engine_pair.h"

namespace nxv::runtime {
namespace {

// Long enough that each workgroup is a submission.
constexpr double kVerySlow = 1e12;

std::vector<float> ramp(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(static_cast<int64_t>(i * 7919 % 2003) - 1001) / 512;
  }
  return values;
}

std::shared_ptr<Engine> engine_of(double slowness) {
  EngineOptions options = test_options();
  options.device.plan.slowness = slowness;
  return open_or_null(options);
}

std::vector<NodeRef> large_ones(Engine& engine) {
  const NodeRef a = tensor(engine, {512, 512}, ramp(512 * 512));
  const NodeRef b = tensor(engine, {1 << 20}, ramp(1 << 20));
  return {matmul(a, a), reduce(Op::sum, b, Axes{0}, false)};
}

TEST(SlowDevice, LargeProductsAndReductionsGoOutInParts) {
  const auto usual = engine_of(1), slow = engine_of(1e4);
  if (!usual) GTEST_SKIP() << "no Vulkan device here";
  std::vector<NodeRef> want = large_ones(*usual), got = large_ones(*slow);
  for (size_t i = 0; i < want.size(); ++i) {
    const uint64_t before = slow->counters().parts;
    EXPECT_EQ(read(*slow, got[i]).bytes, read(*usual, want[i]).bytes) << i;
    EXPECT_GE(slow->counters().parts - before, 4u) << i;
  }
}

TEST(SlowDevice, RandomGraphsAndCallsHaveTheSameBits) {
  EnginePair engines({}, kVerySlow);
  if (!engines.is_open()) GTEST_SKIP() << "no Vulkan device here";
  for (uint64_t seed = 7000; seed < 7015; ++seed) {
    engines.check_call(seed);
    engines.check_graph(seed, {});
    engines.check_rows(seed);
    engines.check_products(seed);
  }
  EXPECT_GT(engines.fused().counters().parts, 100u);
}

}  // namespace
}  // namespace nxv::runtime
