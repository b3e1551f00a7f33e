#include <gtest/gtest.h>

#include <vector>

#include "testing/interpreter/apply_test.h"
#include "testing/interpreter/refusal_test.h"

namespace nxv::testing {
namespace {

using ir::Builder;
using ir::Value;
using ir::Var;

TEST(Interpreter, DivergentLoopsAndBranches) {
  const auto steps = map<uint32_t, uint32_t>({1, 6, 7, 27}, [](Builder& b, Value start) {
    const Var n = b.var(start);
    const Var count = b.var(b.u32(0));
    b.loop([&] {
      b.break_if(n.get() == 1);
      b.if_((n.get() & 1) == 0, [&] { n.set(n.get() >> 1); }, [&] { n.set(n.get() * 3 + 1); });
      count.set(count.get() + 1);
    });
    return count.get();
  });
  EXPECT_EQ(steps, (std::vector{0u, 8u, 16u, 111u}));
}

TEST(InterpreterRefuses, TooManyIterations) {
  const auto nested = [](Builder& b, Value, ir::Shared) {
    b.for_range(b.u32(0), b.u32(10), b.u32(1),
                [&](Value) { b.for_range(b.u32(0), b.u32(10), b.u32(1), [](Value) {}); });
  };
  EXPECT_CONTAINS(refusal(nested, {.max_iterations = 120}), "more than 120 iterations");
  EXPECT_EQ(refusal(nested, {.max_iterations = 121}), "");
}

}  // namespace
}  // namespace nxv::testing
