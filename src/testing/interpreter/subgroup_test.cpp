#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "testing/interpreter/apply_test.h"
#include "testing/interpreter/refusal_test.h"

namespace nxv::testing {
namespace {

using ir::Access;
using ir::Builder;
using ir::Builtin;
using ir::Opcode;
using ir::Value;
using ir::Var;

// Sum of a workgroup: subgroups first, then one number each through shared memory.
TEST(Interpreter, SharedMemoryAndSubgroups) {
  for (const uint32_t subgroup_size : {4u, 8u, 64u}) {
    Builder b("sum", 24);
    const Value out = b.buffer("out", Access::write);
    const ir::Shared partial = b.shared("partial", ir::kU32, 24);
    const Value lane = b.builtin(Builtin::subgroup_lane);
    const Value index = b.builtin(Builtin::subgroup_index);
    const Value sum = b.subgroup(Opcode::subgroup_add, b.builtin(Builtin::local_index) + 1);
    b.if_(lane == 0, [&] { b.shared_store(partial, index, sum); });
    b.barrier();
    const Value groups =
        (b.u32(24) + b.builtin(Builtin::subgroup_size) - 1) / b.builtin(Builtin::subgroup_size);
    const Var total = b.var(b.u32(0));
    b.for_range(b.u32(0), groups, b.u32(1),
                [&](Value i) { total.set(total.get() + b.shared_load(partial, i)); });
    b.store(out, b.builtin(Builtin::local_index), total.get());
    std::vector<uint32_t> result(24);
    run(b.finish(), {}, std::vector{Argument::buffer(result)}, {.subgroup_size = subgroup_size});
    EXPECT_EQ(result, std::vector<uint32_t>(24, 300)) << subgroup_size;
  }
}

TEST(Interpreter, SubgroupMoves) {
  const std::vector<int32_t> in{5, -7, 2, 9};
  const InterpreterOptions four{.subgroup_size = 4};
  const auto through = [&](const std::function<Value(Builder&, Value)>& f) {
    return map<int32_t, int32_t>(in, f, four);
  };
  EXPECT_EQ(through([](Builder& b, Value v) { return b.subgroup(Opcode::subgroup_min, v); }),
            std::vector<int32_t>(4, -7));
  EXPECT_EQ(through([](Builder& b, Value v) { return b.subgroup(Opcode::subgroup_max, v); }),
            std::vector<int32_t>(4, 9));
  EXPECT_EQ(
      through([](Builder& b, Value v) { return b.subgroup(Opcode::subgroup_shuffle_xor, v, 1); }),
      (std::vector<int32_t>{-7, 5, 9, 2}));
  EXPECT_EQ(through([](Builder& b, Value v) {
              return b.subgroup_shuffle(v, b.u32(3) - b.builtin(Builtin::subgroup_lane));
            }),
            (std::vector<int32_t>{9, 2, -7, 5}));
  EXPECT_EQ(
      through([](Builder& b, Value v) { return b.subgroup(Opcode::subgroup_broadcast_first, v); }),
      std::vector<int32_t>(4, 5));
  EXPECT_EQ((map<uint32_t, int32_t>(
                in,
                [](Builder& b, Value v) {
                  return b.extract(b.subgroup(Opcode::subgroup_ballot, v > 3), 0);
                },
                four)),
            std::vector<uint32_t>(4, 0b1001));
}

TEST(InterpreterRefuses, DivergentBarriersAndSubgroupOperations) {
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared) {
                    b.if_(b.builtin(Builtin::local_index) < 4, [&] { b.barrier(); });
                  }),
                  "not reached by every invocation");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared) {
                    b.if_(b.builtin(Builtin::local_index) < 3,
                          [&] { b.subgroup(Opcode::subgroup_add, b.u32(1)); });
                  }),
                  "every invocation of the subgroup");
  EXPECT_EQ(refusal([](Builder& b, Value, ir::Shared) {
              b.if_(b.builtin(Builtin::local_index) < 4,
                    [&] { b.subgroup(Opcode::subgroup_add, b.u32(1)); });
            }),
            "");
}

}  // namespace
}  // namespace nxv::testing
