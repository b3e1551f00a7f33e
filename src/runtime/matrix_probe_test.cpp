// The self-test on a device that is right, and on devices that are wrong.
#include "runtime/matrix_probe.h"

#include <gtest/gtest.h>

#include "testing/driver/run_dispatch.h"

namespace nxv::runtime {
namespace {

plan::DevicePlan make_plan() {
  using plan::MatrixType;
  plan::DevicePlan p;
  p.has.coopmat = p.has.f16 = p.has.bf16 = p.has.subgroup_arithmetic = true;
  p.has.int8 = p.has.packed_dot = p.has.mixed_dot = true;
  p.shared_memory_bytes = 49152;
  p.max_workgroup_invocations = 1024;
  p.subgroup_size = p.matrix_subgroup_size = 32;
  p.fixed_subgroup_size = true;
  p.matrix_shapes = {{16, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32},
                     {16, 16, 16, MatrixType::bf16, MatrixType::bf16, MatrixType::f32},
                     {16, 16, 32, MatrixType::s8, MatrixType::s8, MatrixType::s32},
                     {16, 16, 32, MatrixType::u8, MatrixType::u8, MatrixType::u32},
                     {16, 16, 32, MatrixType::s8, MatrixType::u8, MatrixType::s32}};
  return p;
}

using Change = std::function<void(ir::Kernel&)>;

Bytes answer(const MatrixCheck& check, const kernels::Lowering& way, const Change& change) {
  Bytes a = check.a, b = check.b, c(check.c_bytes);
  std::vector<Bytes> workspaces;
  for (uint64_t bytes : way.workspaces) workspaces.emplace_back((bytes + 15) / 16 * 16);
  const std::vector operands = {testing::Argument::buffer(a), testing::Argument::buffer(b)};
  const std::vector outputs = {testing::Argument::buffer(c)};
  std::vector<testing::Argument> work;
  for (Bytes& w : workspaces) work.push_back(testing::Argument::buffer(w));
  for (const kernels::Launch& d : way.launches) {
    ir::Kernel kernel = d.generate(check.region);
    change(kernel);
    testing::run_dispatch(d, kernel, {operands, outputs, {}, work}, check.region.words);
  }
  return c;
}

// How many checks a device fails that runs changed kernels.
int failures(const Change& change) {
  const plan::DevicePlan plan = make_plan();
  const kernels::Target target = kernels::make_target(plan);
  int count = 0;
  for (const MatrixCheck& check : matrix_checks(target)) {
    std::vector<Bytes> answers;
    for (const kernels::Lowering& way : check.ways) answers.push_back(answer(check, way, change));
    count += !check.is_right(answers);
  }
  return count;
}

TEST(MatrixProbe, RightUnitsPass) {
  const plan::DevicePlan plan = make_plan();
  EXPECT_EQ(matrix_checks(kernels::make_target(plan)).size(), 5u + 3 + 3 + 1);
  EXPECT_EQ(failures([](ir::Kernel&) {}), 0);
}

TEST(MatrixProbe, WrongUnitsFail) {
  // Factors by rows where they lie by columns, and the other way round.
  EXPECT_EQ(failures([](ir::Kernel& k) {
              for (ir::Inst& inst : k.body) {
                const bool is_half = ir::is_float(inst.type) && ir::is_narrow(inst.type);
                if (inst.op == ir::Opcode::matrix_load && is_half) {
                  inst.imm ^= ir::matrix_place(0, true);
                }
              }
            }),
            4);
  // Products that forget what they are added to.
  EXPECT_EQ(failures([](ir::Kernel& k) {
              uint32_t zeros = ir::kNone;
              for (uint32_t i = 0; i < k.body.size(); ++i) {
                ir::Inst& inst = k.body[i];
                if (inst.op == ir::Opcode::matrix_fill) zeros = i;
                if (inst.op == ir::Opcode::matrix_multiply_add) inst.args[2] = zeros;
              }
            }),
            7);
  // Elements at other places.
  EXPECT_EQ(failures([](ir::Kernel& k) {
              for (ir::Inst& inst : k.body) {
                if (inst.op == ir::Opcode::element_store) inst.imm ^= 1;
              }
            }),
            3);
  // Bytes of the wrong sign.
  EXPECT_EQ(failures([](ir::Kernel& k) {
              for (ir::Inst& inst : k.body) {
                if (inst.op == ir::Opcode::dot_mixed) inst.op = ir::Opcode::dot_signed;
                if (inst.op != ir::Opcode::matrix_load) continue;
                if (inst.type.scalar == ir::Scalar::s8) inst.type.scalar = ir::Scalar::u8;
              }
            }),
            3);
}

TEST(MatrixProbe, NothingToTestWithoutUnits) {
  plan::DevicePlan plan = make_plan();
  plan.has.coopmat = plan.has.int8 = plan.has.packed_dot = false;
  EXPECT_TRUE(matrix_checks(kernels::make_target(plan)).empty());
}

}  // namespace
}  // namespace nxv::runtime
