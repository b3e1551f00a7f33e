// Views that are not computed yet do not keep alive what is much larger than they are.
#include <gtest/gtest.h>

#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

constexpr int64_t kSide = 512;
// The large values of these tests fill it enough to matter.
constexpr uint64_t kBudget = 7 << 20;

class Views : public ::testing::Test {
 protected:
  void SetUp() override {
    EngineOptions options = test_options();
    options.device.plan.memory_budget = kBudget;
    engine_ = open_or_null(options);
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
    baseline_ = settled(*engine_);
  }
  // A stored value of 1 MiB: 0, 1, 2, ...
  NodeRef large() {
    const NodeRef x = iota(engine_->graveyard(), DType::f32, {kSide, kSide}, -1);
    read(*engine_, x);
    engine_->trim();  // nothing else holds it
    return x;
  }
  NodeRef rows(const NodeRef& x, int64_t first, int64_t count) {
    const std::vector<int64_t> starts = {first, 0}, lengths = {count, kSide}, ones = {1, 1};
    NodeRef view = slice(x, starts, lengths, ones);
    engine_->admit(view);
    return view;
  }
  uint64_t in_use() { return settled(*engine_) - baseline_; }

  std::shared_ptr<Engine> engine_;
  uint64_t baseline_ = 0;
};

constexpr uint64_t kLargeBytes = kSide * kSide * 4, kRowBytes = kSide * 4;

TEST_F(Views, SmallOnesAreCopiedWhenTheirInputWouldDie) {
  NodeRef x = large();
  const NodeRef row = rows(x, 3, 1), other = rows(x, 4, 1);
  EXPECT_EQ(in_use(), kLargeBytes);
  EXPECT_TRUE(row->is_pending());
  x = {};
  EXPECT_EQ(in_use(), 2 * kRowBytes);
  EXPECT_EQ(elements<float>(*engine_, row)[1], 3 * kSide + 1);
  EXPECT_EQ(elements<float>(*engine_, other)[1], 4 * kSide + 1);
}

TEST_F(Views, LargeOnesStayPending) {
  NodeRef x = large();
  const NodeRef half = rows(x, 0, kSide / 2);
  x = {};
  EXPECT_EQ(in_use(), kLargeBytes);
  EXPECT_TRUE(half->is_pending());
}

TEST_F(Views, OnesThatAreManyTogetherStayPending) {
  NodeRef x = large();
  std::vector<NodeRef> all;
  for (int64_t i = 0; i < kSide / 4; ++i) all.push_back(rows(x, i, 1));
  x = {};
  EXPECT_EQ(in_use(), kLargeBytes);
  all.pop_back();
  EXPECT_EQ(in_use(), all.size() * kRowBytes);
}

TEST_F(Views, WhatReadsThemLetsGoToo) {
  NodeRef x = large();
  NodeRef row = rows(x, 7, 1);
  const NodeRef y = elementwise(Op::add, {row, row});
  engine_->admit(y);
  x = row = {};
  EXPECT_EQ(in_use(), kRowBytes);
  EXPECT_EQ(elements<float>(*engine_, y)[0], 14 * kSide);
}

TEST_F(Views, OnesThatNobodyNeedsGo) {
  NodeRef x = large();
  NodeRef row = rows(x, 7, 1);
  x = row = {};
  EXPECT_EQ(in_use(), 0u);
}

TEST(PlentyOfMemory, LeavesViewsAsTheyAre) {
  NXV_OPEN_OR_SKIP(engine);
  if (engine->memory().budget < 64 * kLargeBytes) GTEST_SKIP() << "little memory here";
  NodeRef x = iota(engine->graveyard(), DType::f32, {kSide, kSide}, -1);
  read(*engine, x);
  const std::vector<int64_t> starts = {3, 0}, lengths = {1, kSide}, ones = {1, 1};
  const NodeRef row = slice(x, starts, lengths, ones);
  engine->admit(row);
  x = {};
  settled(*engine);
  EXPECT_TRUE(row->is_pending());
}

}  // namespace
}  // namespace nxv::runtime
