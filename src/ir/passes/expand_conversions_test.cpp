#include "ir/passes/expand_conversions.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ir/builder.h"

namespace nxv::ir {
namespace {

// How many roundings to bf16 are left of a kernel that rounds what `make` gives.
template <typename F>
int64_t left(const NativeConversions& native, F make) {
  Builder b("rounds");
  const Value in = b.buffer("in", Access::read), out = b.buffer("out", Access::write);
  const Value x = b.load(in, b.u32(0), kF32), y = b.load(in, b.u32(1), kF32);
  b.store(out, b.u32(0), b.unary(Opcode::round_bf16, make(x, y)));
  const Kernel kernel = expand_conversions(b.finish(), native);
  return std::count_if(kernel.body.begin(), kernel.body.end(),
                       [](const Inst& inst) { return inst.op == Opcode::round_bf16; });
}

TEST(ExpandConversions, WhatADeviceConvertsStays) {
  const auto loaded = [](Value x, Value) { return x; };
  EXPECT_EQ(left({}, loaded), 0);
  EXPECT_EQ(left({.f16 = true}, loaded), 0);
  EXPECT_EQ(left({.bf16 = true}, loaded), 1);
}

TEST(ExpandConversions, SubnormalsThatArithmeticWouldFlushAreRoundedByIntegers) {
  const NativeConversions flushing = {.bf16 = true, .f16 = true, .flushes = true};
  EXPECT_EQ(left(flushing, [](Value x, Value) { return x; }), 0);
  EXPECT_EQ(left(flushing, [](Value x, Value y) { return x * y; }), 1);
  const auto chosen = [](Value x, Value y) { return x.builder().select(x > y, x + y, x - y); };
  EXPECT_EQ(left(flushing, chosen), 1);
  const auto perhaps = [](Value x, Value y) { return x.builder().select(x > y, x, x - y); };
  EXPECT_EQ(left(flushing, perhaps), 0);
  const auto from_f64 = [](Value x, Value) {
    return x.builder().convert(x.builder().convert(x, kF64), kF32);
  };
  EXPECT_EQ(left(flushing, from_f64), 0);
  EXPECT_EQ(left(flushing, [](Value x, Value) { return x.builder().f32(0x1p-140f); }), 0);
  EXPECT_EQ(left(flushing, [](Value x, Value) { return x.builder().f32(2); }), 1);
}

}  // namespace
}  // namespace nxv::ir
