#include <gtest/gtest.h>

#include "ir/builder.h"
#include "spirv/module_words_test.h"

namespace nxv::spirv {
namespace {

using ir::Access;
using ir::Builder;
using ir::Opcode;
using ir::Value;

TEST(EmitAtomics, SignednessChoosesTheInstruction) {
  Builder b("atomics", 32);
  const Value out = b.buffer("out", Access::read_write);
  Value sum = b.builtin(ir::Builtin::local_index);
  for (Opcode op : {Opcode::atomic_add, Opcode::atomic_min, Opcode::atomic_max, Opcode::atomic_or,
                    Opcode::atomic_exchange}) {
    sum = sum + b.atomic(op, out, b.u32(0), sum);
    b.atomic(op, out, b.u32(1), b.s32(-1));
  }
  const ir::Shared counts = b.shared("counts", ir::kU32, 8);
  const ir::Shared bounds = b.shared("bounds", ir::kS32, 8);
  for (Opcode op : {Opcode::shared_atomic_add, Opcode::shared_atomic_min, Opcode::shared_atomic_max,
                    Opcode::shared_atomic_or, Opcode::shared_atomic_exchange}) {
    sum = sum + b.shared_atomic(op, counts, b.u32(3), sum);
    b.shared_atomic(op, bounds, b.u32(3), b.s32(-1));
  }
  b.atomic_store(out, b.u32(1), sum + b.atomic_load(out, b.u32(0)));
  b.atomic_store(out, b.u32(1), b.atomic_load(out, b.u32(0), ir::kS32));
  const Words words = check(b.finish());
  EXPECT_EQ(count(words, spv::Op::OpAtomicUMax), 2);
  EXPECT_EQ(count(words, spv::Op::OpAtomicSMin), 2);
  EXPECT_EQ(count(words, spv::Op::OpAtomicExchange), 4);
  EXPECT_EQ(count(words, spv::Op::OpAtomicLoad), 2);
  EXPECT_EQ(count(words, spv::Op::OpAtomicStore), 2);
}

}  // namespace
}  // namespace nxv::spirv
