#include <gtest/gtest.h>

#include <vector>

#include "ir/builder.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {
namespace {

using ir::Access;
using ir::Builder;
using ir::Builtin;
using ir::Opcode;
using ir::Value;

TEST(Interpreter, GroupsAndAtomics) {
  Builder b("count", 4);
  const Value out = b.buffer("out", Access::read_write);
  const Value id =
      b.builtin(Builtin::group_x) + b.builtin(Builtin::group_y) * b.builtin(Builtin::groups_x) +
      b.builtin(Builtin::group_z) * b.builtin(Builtin::groups_x) * b.builtin(Builtin::groups_y);
  b.atomic(Opcode::atomic_add, out, b.u32(0), id);
  b.atomic(Opcode::atomic_max, out, b.u32(1), id);
  b.atomic(Opcode::atomic_min, out, b.u32(2), b.bitcast(b.u32(0) - id, ir::kS32));
  b.atomic(Opcode::atomic_or, out, b.u32(3), b.u32(1) << id);
  std::vector<uint32_t> result(4);
  run(b.finish(), {2, 3, 2}, std::vector{Argument::buffer(result)});
  EXPECT_EQ(result, (std::vector<uint32_t>{4 * 66, 11, static_cast<uint32_t>(-11), 0xfff}));
}

// Each workgroup adds its number to what the one before left.
TEST(Interpreter, AtomicLoadsSeeAtomicStores) {
  Builder b("chain");
  const Value out = b.buffer("out", Access::read_write);
  const Value group = b.builtin(Builtin::group_x);
  b.atomic_store(out, group + 1u, b.atomic_load(out, group) + group);
  std::vector<uint32_t> result(5);
  run(b.finish(), {4, 1, 1}, std::vector{Argument::buffer(result)});
  EXPECT_EQ(result, (std::vector<uint32_t>{0, 0, 1, 3, 6}));
}

// Every invocation changes the same elements.
TEST(Interpreter, AtomicsOnSharedArrays) {
  Builder b("shared_atomics", 8);
  const Value out = b.buffer("out", Access::write);
  const ir::Shared words = b.shared("words", ir::kU32, 5), number = b.shared("n", ir::kS32, 1);
  const Value i = b.builtin(Builtin::local_index);
  b.if_(i < 5u, [&] { b.shared_store(words, i, b.u32(3)); });
  b.if_(i == 0u, [&] { b.shared_store(number, i, b.s32(2)); });
  b.barrier();
  b.shared_atomic(Opcode::shared_atomic_add, words, b.u32(0), i);
  b.shared_atomic(Opcode::shared_atomic_min, words, b.u32(1), i);
  b.shared_atomic(Opcode::shared_atomic_max, words, b.u32(2), i);
  b.shared_atomic(Opcode::shared_atomic_or, words, b.u32(3), i);
  const Value old = b.shared_atomic(Opcode::shared_atomic_exchange, words, b.u32(4), i + 10u);
  b.shared_atomic(Opcode::shared_atomic_min, number, b.u32(0), -b.convert(i, ir::kS32));
  b.barrier();
  b.if_(i < 5u, [&] { b.store(out, i, b.shared_load(words, i)); });
  b.if_(i == 5u, [&] { b.store(out, i, b.bitcast(b.shared_load(number, b.u32(0)), ir::kU32)); });
  b.store(out, i + 6u, old);
  std::vector<uint32_t> result(14);
  run(b.finish(), {}, std::vector{Argument::buffer(result)});
  EXPECT_EQ(result, (std::vector<uint32_t>{31, 0, 7, 7, 17, static_cast<uint32_t>(-7), 3, 10, 11,
                                           12, 13, 14, 15, 16}));
}

}  // namespace
}  // namespace nxv::testing
