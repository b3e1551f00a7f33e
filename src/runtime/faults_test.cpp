#include "runtime/faults.h"

#include <gtest/gtest.h>

#include "graph/function.h"
#include "library/registry.h"
#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

class FaultSetsTest : public testing::Test {
 protected:
  void SetUp() override {
    engine_ = open_or_null();
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
    const NodeRef x = parameter(engine_->graveyard(), DType::s32, {4});
    const NodeRef rows = parameter(engine_->graveyard(), DType::s32, {4});
    const NodeRef taken = library::call("take", std::vector{x, rows},
                                        std::vector<library::Option>{{"axis", {0}, {}}})[0];
    step_ = std::make_shared<const Function>(std::vector{x, rows}, std::vector{taken});
  }
  NodeRef step(const NodeRef& x, std::vector<int32_t> rows) {
    return engine_->invoke(step_, {x, vector<int32_t>(*engine_, rows)})[0];
  }
  size_t slots(const NodeRef& x) {
    size_t count = 0;
    engine_->call([&](Executor& executor, vulkan::Device&) {
      executor.evaluate(x);
      if (const Faults& faults = device_storage(*x).faults) count = faults->slots.size();
    });
    return count;
  }

  std::shared_ptr<Engine> engine_;
  FunctionRef step_;
};

// Of a long chain of steps, each of which may fault, that nobody reads between.
TEST_F(FaultSetsTest, StaySmallAlongChains) {
  NodeRef x = vector<int32_t>(*engine_, {1, 2, 3, 4});
  size_t most = 0;
  for (int i = 0; i < 1500; ++i) {
    x = step(x, {3, 2, 1, 0});
    if (i % 100 == 99) {
      const NodeRef other = vector<int32_t>(*engine_, {1});
      elements<int32_t>(*engine_, elementwise(Op::add, {other, other}));  // until here all is done
      most = std::max(most, slots(x));
    }
  }
  EXPECT_LE(most, 300u);
  EXPECT_EQ(elements<int32_t>(*engine_, x), (std::vector<int32_t>{1, 2, 3, 4}));
}

TEST_F(FaultSetsTest, NothingIsLeftOfThemOnceAllIsGone) {
  for (int i = 0; i < 20; ++i) {
    const NodeRef a = step(vector<int32_t>(*engine_, {1, 2, 3, 4}), {3, 2, 1, 0});
    const NodeRef b = step(vector<int32_t>(*engine_, {5, 6, 7, 8}), {0, 0, 0, 0});
    const NodeRef sum = elementwise(Op::add, {a, b});
    engine_->evaluate(sum);
  }
  EXPECT_EQ(settled(*engine_), 0u);
}

TEST_F(FaultSetsTest, FaultsOfLongAgoAreTold) {
  NodeRef x = vector<int32_t>(*engine_, {1, 2, 3, 4});
  for (int i = 0; i < 600; ++i) x = step(x, {3, 2, 1, i == 5 ? 4 : 0});
  EXPECT_THROW(elements<int32_t>(*engine_, x), Error);
  // Of what does not depend on it nothing is told.
  const NodeRef y = step(vector<int32_t>(*engine_, {1, 2, 3, 4}), {0, 1, 2, 3});
  EXPECT_EQ(elements<int32_t>(*engine_, y), (std::vector<int32_t>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace nxv::runtime
