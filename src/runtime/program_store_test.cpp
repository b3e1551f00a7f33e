// Programs of loops and branches outside of functions: kept for as long as their functions.
#include "runtime/program_store.h"

#include <gtest/gtest.h>

#include "testing/driver/function_fixture.h"

namespace nxv::runtime {
namespace {

class ProgramsOfControl : public FunctionFixture {
 protected:
  // x + captured, a megabyte.
  FunctionRef adding() {
    const NodeRef x = param(DType::f32, {kCount});
    return function({x}, {elementwise(Op::add, {x, filled(*engine_, kCount, 1.0F)})});
  }
  FunctionRef below(int rounds) {
    const NodeRef x = param(DType::f32, {kCount});
    const NodeRef first = reshape(slice(x, Axes{0}, Axes{1}, Axes{1}), {});
    return function({x}, {elementwise(Op::less, {first, num(DType::f32, rounds)})});
  }
  NodeRef zeros() { return filled(*engine_, kCount, 0.0F); }
  NodeRef yes() { return vector<float>(*engine_, {1}); }
  NodeRef chosen(const FunctionRef& a, const FunctionRef& b) {
    return branch(Nodes{reshape(yes(), {})}, Nodes{zeros()}, std::vector<FunctionRef>{a, b})[0];
  }
  uint64_t schedules() {
    uint64_t n = 0;
    engine_->call([&](Executor& executor, vulkan::Device&) { n = executor.schedules(); });
    return n;
  }

  static constexpr int64_t kCount = 1 << 18;
};

TEST_F(ProgramsOfControl, GoWithTheirFunctions) {
  engine_->trim();
  ASSERT_EQ(engine_->graveyard()->live_nodes(), 0);
  for (int i = 0; i < 3; ++i) {
    const FunctionRef f = adding(), g = adding();
    EXPECT_EQ(elements<float>(*engine_, chosen(f, f))[5], 1);
    EXPECT_EQ(elements<float>(*engine_, chosen(f, g))[5], 1);
    EXPECT_EQ(elements<float>(*engine_, loop(Nodes{zeros()}, below(3), f)[0])[5], 3);
  }
  engine_->trim();
  EXPECT_EQ(engine_->graveyard()->live_nodes(), 0);
  EXPECT_EQ(engine_->memory().in_use, 0U);
}

// Those of branches: a loop has a function of its own for its condition.
TEST_F(ProgramsOfControl, AreThereForAsLong) {
  const FunctionRef f = adding(), g = adding();
  const auto run = [&] { EXPECT_EQ(elements<float>(*engine_, chosen(f, g))[5], 1); };
  run();
  engine_->trim();
  const uint64_t before = schedules();
  run();
  engine_->trim();
  run();
  EXPECT_EQ(schedules(), before);
}

}  // namespace
}  // namespace nxv::runtime
