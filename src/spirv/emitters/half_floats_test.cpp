#include <gtest/gtest.h>

#include "ir/builder.h"
#include "spirv/module_words_test.h"

namespace nxv::spirv {
namespace {

using ir::Builder;
using ir::Opcode;
using ir::Value;

// A rounding whose result is stored, or is a factor of what is.
Words rounding(Opcode op, bool stored) {
  Builder b("rounding", 64);
  const Value in = b.buffer("in", ir::Access::read), out = b.buffer("out", ir::Access::write);
  const Value x = b.load(in, b.u32(0), ir::kF32), rounded = b.unary(op, x);
  b.store(out, b.u32(0), stored ? rounded : rounded * x);
  return check(b.finish());
}

int count(const Words& words, spv::Op op) {
  int found = 0;
  each_instruction(words, [&](spv::Op o, const uint32_t*) { found += o == op; });
  return found;
}

TEST(EmitHalfFloats, NaNIsReplacedWhereItIsSeen) {
  for (Opcode op : {Opcode::round_bf16, Opcode::round_f16}) {
    EXPECT_EQ(count(rounding(op, true), spv::Op::OpSelect), 1);
    EXPECT_EQ(count(rounding(op, false), spv::Op::OpSelect), 0);
  }
}

TEST(EmitHalfFloats, AreConversionsOfTheDevice) {
  EXPECT_EQ(count(rounding(Opcode::round_bf16, false), spv::Op::OpFConvert), 1);
  EXPECT_EQ(count(rounding(Opcode::round_f16, false), spv::Op::OpFConvert), 2);
  Builder b("halves", 64);
  const Value in = b.buffer("in", ir::Access::read), out = b.buffer("out", ir::Access::write);
  const Value x = b.append(Opcode::from_f16, ir::kF32, {b.load(in, b.u32(0), ir::kU32)});
  b.store(out, b.u32(0), b.append(Opcode::to_f16, ir::kU32, {x * x}));
  b.store(out, b.u32(1), x);
  EXPECT_EQ(count(check(b.finish()), spv::Op::OpFConvert), 2);
}

}  // namespace
}  // namespace nxv::spirv
