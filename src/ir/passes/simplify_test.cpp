#include "ir/passes/simplify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "ir/builder.h"
#include "ir/passes/verify.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::ir {
namespace {

auto count(const Kernel& kernel, Opcode op) {
  return std::count_if(kernel.body.begin(), kernel.body.end(),
                       [&](const Inst& i) { return i.op == op; });
}

Kernel simplified(Builder& b) {
  Kernel kernel = simplify(b.finish());
  verify(kernel);
  return kernel;
}

TEST(Simplify, EqualValuesAreOne) {
  Builder b("equal");
  const Value in = b.buffer("in", Access::read), out = b.buffer("out", Access::write);
  const Value x = b.load(in, b.u32(0), kF32);
  b.store(out, b.u32(0), (x + 1.0) * (x + 1.0));
  b.store(out, b.u32(1), x + b.f32(1.5));
  const Kernel k = simplified(b);
  EXPECT_EQ(count(k, Opcode::add), 2);
  EXPECT_EQ(count(k, Opcode::constant), 4);  // 0, 1.0, 1, 1.5
}

// Operands in another order are another operation: of two NaN the first one's bits remain.
TEST(Simplify, OrderMatters) {
  Builder b("order");
  const Value in = b.buffer("in", Access::read), out = b.buffer("out", Access::write);
  const Value x = b.load(in, b.u32(0), kF32), y = b.load(in, b.u32(1), kF32);
  b.store(out, b.u32(0), x + y);
  b.store(out, b.u32(1), y + x);
  b.store(out, b.u32(2), b.bitcast(x, kU32));
  b.store(out, b.u32(3), b.bitcast(x, kS32));
  const Kernel k = simplified(b);
  EXPECT_EQ(count(k, Opcode::add), 2);
  EXPECT_EQ(count(k, Opcode::bitcast), 2);
}

// Memory may have changed between two loads, and a variable between two of its.
TEST(Simplify, LoadsStay) {
  Builder b("loads");
  const Value out = b.buffer("out", Access::read_write);
  const Value x = b.load(out, b.u32(0), kU32);
  b.store(out, b.u32(0), x + 1);
  const Var v = b.var(b.u32(3));
  const Value before = v.get();
  v.set(before + 1);
  b.store(out, b.u32(1), b.load(out, b.u32(0), kU32) + before + v.get());
  const Kernel k = simplified(b);
  EXPECT_EQ(count(k, Opcode::load), 2);
  EXPECT_EQ(count(k, Opcode::var_load), 2);
  std::vector<uint32_t> memory = {5, 0};
  const std::array arguments = {testing::Argument::buffer(memory)};
  testing::run(k, {}, arguments);
  EXPECT_EQ(memory, (std::vector<uint32_t>{6, 6 + 3 + 4}));
}

// Others may store between two atomic loads.
TEST(Simplify, AtomicLoadsAndStoresStay) {
  Builder b("atomics");
  const Value out = b.buffer("out", Access::read_write);
  b.atomic_store(out, b.u32(0), b.u32(3));
  b.atomic_store(out, b.u32(0), b.u32(3));
  const Value twice = b.atomic_load(out, b.u32(0)) + b.atomic_load(out, b.u32(0));
  b.atomic_load(out, b.u32(0));
  b.store(out, b.u32(1), twice);
  const Shared counts = b.shared("counts", kU32, 1);
  b.shared_atomic(Opcode::shared_atomic_add, counts, b.u32(0), b.u32(3));
  b.shared_atomic(Opcode::shared_atomic_add, counts, b.u32(0), b.u32(3));
  const Kernel k = simplified(b);
  EXPECT_EQ(count(k, Opcode::atomic_load), 3);
  EXPECT_EQ(count(k, Opcode::atomic_store), 2);
  EXPECT_EQ(count(k, Opcode::shared_atomic_add), 2);
}

// A value lives no longer than its branch.
TEST(Simplify, ScopesHideTheirValues) {
  Builder b("scopes");
  const Value out = b.buffer("out", Access::write), n = b.param("n", kU32);
  const Value outside = n * 3u;
  const auto branch = [&](uint32_t at) { b.store(out, b.u32(at), (n + 7u) * (n * 3u)); };
  b.if_(
      outside > 4u, [&] { branch(0); }, [&] { branch(1); });
  branch(2);
  b.for_range(b.u32(0), n, b.u32(1), [&](Value) { branch(3); });
  const Kernel k = simplified(b);
  EXPECT_EQ(count(k, Opcode::mul), 1 + 3);  // n * 3 once, the product in each branch, and after
  std::vector<uint32_t> memory(4);
  const std::array arguments = {testing::Argument::buffer(memory), testing::Argument::number(2U)};
  testing::run(k, {}, arguments);
  EXPECT_EQ(memory, (std::vector<uint32_t>{54, 0, 54, 54}));
}

TEST(Simplify, WhatNobodyNeedsGoes) {
  Builder b("dead", 8);
  const Value in = b.buffer("in", Access::read), out = b.buffer("out", Access::read_write);
  const Value n = b.param("n", kU32);
  b.load(in, n, kF32);
  const Var unread = b.var(n * 5u), counter = b.var(b.u32(0));
  b.for_range(b.u32(0), n, b.u32(1), [&](Value i) {
    unread.set(i * 7u);
    counter.set(counter.get() + i);
  });
  b.atomic(Opcode::atomic_add, out, b.u32(0), counter.get());
  const Kernel k = simplified(b);
  EXPECT_EQ(count(k, Opcode::load), 0);
  EXPECT_EQ(count(k, Opcode::mul), 0);
  EXPECT_EQ(count(k, Opcode::var_decl), 2);
  EXPECT_EQ(count(k, Opcode::atomic_add), 1);
  EXPECT_EQ(k.params.size(), 3u);
  EXPECT_EQ(k.local_size, 8u);
}

}  // namespace
}  // namespace nxv::ir
