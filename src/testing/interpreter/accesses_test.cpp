#include <gtest/gtest.h>

#include <vector>

#include "testing/interpreter/refusal_test.h"

namespace nxv::testing {
namespace {

using ir::Access;
using ir::Builder;
using ir::Builtin;
using ir::Opcode;
using ir::Value;

TEST(Interpreter, WideIndices) {
  Builder b("wide");
  const Value buffer = b.buffer("buffer", Access::read_write);
  b.store(buffer, b.u64(2), b.load(buffer, b.pack({b.u32(1), b.u32(0)}), ir::kU32));
  std::vector<uint32_t> memory{7, 8, 9};
  run(b.finish(), {}, std::vector{Argument::buffer(memory)});
  EXPECT_EQ(memory, (std::vector<uint32_t>{7, 8, 8}));
}

TEST(InterpreterRefuses, AccessesOutOfBounds) {
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    b.store(memory, b.builtin(Builtin::local_index) + 1, b.u32(1));
                  }),
                  "accesses element 8 of 8 (invocation 7)");
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    b.load(memory, b.u32(0x80000000), ir::kU32);
                  }),
                  "32-bit index");
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    b.load(memory, b.u64(1ull << 62), ir::kU64);
                  }),
                  "accesses element");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index) + 1, b.u32(1));
                  }),
                  "accesses element 8 of 8");
}

// Of eight invocations, in subgroups of four.
TEST(InterpreterRefuses, RacesThatABarrierOfSubgroupsDoesNotPart) {
  const auto neighbour = [](uint32_t distance) {
    return [distance](Builder& b, Value, ir::Shared shared) {
      const Value i = b.builtin(Builtin::local_index);
      b.shared_store(shared, i, i);
      b.subgroup_barrier();
      b.shared_load(shared, i ^ b.u32(distance));
      b.subgroup_barrier();
      b.shared_store(shared, i, i);
    };
  };
  EXPECT_EQ(refusal(neighbour(1)), "");
  EXPECT_EQ(refusal(neighbour(3)), "");
  EXPECT_CONTAINS(refusal(neighbour(4)), "reads what another invocation wrote without a barrier");
  // Reads of several subgroups are several, whichever was the last.
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    const Value i = b.builtin(Builtin::local_index);
                    b.shared_store(shared, i, i);
                    b.barrier();
                    b.shared_load(shared, b.u32(0));
                    b.subgroup_barrier();
                    b.if_(i == 0, [&] { b.shared_store(shared, i, i); });
                  }),
                  "overwrites what another invocation read without a barrier");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared) {
                    b.if_(b.builtin(Builtin::local_index) < 3, [&] { b.subgroup_barrier(); });
                  }),
                  "every invocation of the subgroup");
}

TEST(InterpreterRefuses, RacesInSharedMemory) {
  EXPECT_CONTAINS(
      refusal([](Builder& b, Value, ir::Shared shared) { b.shared_load(shared, b.u32(0)); }),
      "nobody wrote");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    const Value i = b.builtin(Builtin::local_index);
                    b.shared_store(shared, i, i);
                    b.shared_load(shared, i ^ b.u32(1));
                  }),
                  "without a barrier");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    const Value i = b.builtin(Builtin::local_index);
                    b.shared_store(shared, i, i);
                    b.barrier();
                    b.shared_load(shared, i ^ b.u32(1));
                    b.shared_store(shared, i, i);
                  }),
                  "overwrites what another invocation read");
  EXPECT_CONTAINS(refusal([](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.u32(0), b.builtin(Builtin::local_index));
                  }),
                  "overwrites what another invocation wrote");
  const auto add = [](Builder& b, ir::Shared shared) {
    b.shared_atomic(Opcode::shared_atomic_add, shared, b.u32(0), b.u32(1));
  };
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) { add(b, shared); }),
                  "changes what nobody wrote");
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                    add(b, shared);
                  }),
                  "changes what another invocation uses");
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                    b.barrier();
                    b.shared_load(shared, b.u32(0));
                    add(b, shared);
                  }),
                  "changes what another invocation uses");
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                    b.barrier();
                    add(b, shared);
                    b.shared_load(shared, b.u32(0));
                  }),
                  "reads what another invocation wrote");
  EXPECT_CONTAINS(refusal([&](Builder& b, Value, ir::Shared shared) {
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                    b.barrier();
                    add(b, shared);
                    b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
                  }),
                  "overwrites what another invocation changed");
  EXPECT_EQ(refusal([&](Builder& b, Value, ir::Shared shared) {
              b.shared_store(shared, b.builtin(Builtin::local_index), b.u32(0));
              b.barrier();
              add(b, shared);
              b.barrier();
              b.shared_load(shared, b.u32(0));
            }),
            "");
  EXPECT_EQ(refusal([](Builder& b, Value, ir::Shared shared) {
              const Value i = b.builtin(Builtin::local_index);
              b.shared_store(shared, i, i);
              b.barrier();
              b.shared_load(shared, i ^ b.u32(1));
              b.barrier();
              b.shared_store(shared, i, i);
            }),
            "");
}

TEST(InterpreterRefuses, RacesInBuffers) {
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    const Value i = b.builtin(Builtin::local_index);
                    b.store(memory, i, i);
                    b.load(memory, i ^ b.u32(1), ir::kU32);
                  }),
                  "reads what another invocation writes");
  EXPECT_CONTAINS(refusal([](Builder& b, Value memory, ir::Shared) {
                    b.store(memory, b.u32(0), b.builtin(Builtin::local_index));
                  }),
                  "writes another value");
  EXPECT_EQ(
      refusal([](Builder& b, Value memory, ir::Shared) { b.store(memory, b.u32(0), b.u32(5)); }),
      "");
}

}  // namespace
}  // namespace nxv::testing
