#include <gtest/gtest.h>

#include <vector>

#include "ir/builder.h"
#include "ir/passes/legalize_int64.h"
#include "spirv/module_words_test.h"

namespace nxv::spirv {
namespace {

using ir::Access;
using ir::Builder;
using ir::Value;
using ir::Var;

TEST(EmitControl, ControlFlowAndVariables) {
  Builder b("flow", 32);
  const Value n = b.param("n", ir::kU32);
  const Value out = b.buffer("out", Access::write);
  const Value i = b.builtin(ir::Builtin::local_index);
  Var sum = b.var(b.u32(0));
  b.for_range(b.u32(0), n, b.u32(1), [&](Value j) {
    b.if_(
        j < i, [&] { sum.set(sum.get() + j); },
        [&] {
          b.loop([&] {
            b.break_if(sum.get() > n);
            sum.set(sum.get() + 1);
            b.break_if(sum.get() == i);
          });
        });
  });
  b.if_(i == n, [&] { sum.set(b.u32(7)); });
  b.store(out, i, sum.get());
  const Words words = check(b.finish());
  EXPECT_EQ(count(words, spv::Op::OpLoopMerge), 2);
  EXPECT_EQ(count(words, spv::Op::OpSelectionMerge), 2);
}

TEST(EmitControl, LoopsSayWhetherTheyMayBeUnrolled) {
  Builder b("unrolling");
  const Value out = b.buffer("out", Access::read_write);
  for (const auto unrolling : {ir::Unrolling::allowed, ir::Unrolling::never}) {
    b.for_range(
        b.u32(0), b.u32(4), b.u32(1), [&](Value i) { b.store(out, i, i); }, unrolling);
  }
  std::vector<uint32_t> controls;
  const ir::Kernel kernel = b.finish();
  for (const ir::Kernel& k : {kernel, ir::legalize_int64(kernel)}) {
    each_instruction(check(k), [&](spv::Op op, const uint32_t* operands) {
      if (op == spv::Op::OpLoopMerge) controls.push_back(operands[2]);
    });
  }
  const auto kept = static_cast<uint32_t>(spv::LoopControlMask::DontUnroll);
  EXPECT_EQ(controls, (std::vector<uint32_t>{0, kept, 0, kept}));
}

}  // namespace
}  // namespace nxv::spirv
