// Cooperative matrices.
#include "spirv/emitters/emitters.h"
#include "spirv/recent.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using spv::Op;

constexpr uint32_t kNonPrivate = word(spv::MemoryAccessMask::NonPrivatePointer);

// Where a matrix is, in the operands of its load and store.
struct Place {
  Id pointer, layout, stride;
};

Place place(Translation& t, const Inst& inst) {
  using recent::MatrixLayout;
  const Id pointer = t.addressing.shared_element(ir::matrix_shared(inst.imm), t.arg(inst, 0));
  const auto layout =
      ir::matrix_by_columns(inst.imm) ? MatrixLayout::column_major : MatrixLayout::row_major;
  return {pointer, t.module.u32(word(layout)), t.arg(inst, 1)};
}

// An element of a matrix that is in a variable.
Id element(Translation& t, const Inst& inst) {
  const ir::Type type{t.arg_type(inst, 0).scalar};
  return t.result_of(t.module.variable_pointer(spv::StorageClass::Function, type),
                     Op::OpAccessChain,
                     {t.arg(inst, 0), t.module.u32(static_cast<uint32_t>(inst.imm))});
}

}  // namespace

Id matrix_fill(Translation& t, const Inst& inst) {
  if (inst.type.scalar != ir::Scalar::s32) return t.unary(inst, Op::OpCompositeConstruct);
  const Id element = t.result_of(t.module.element_type(inst.type), Op::OpBitcast, {t.arg(inst, 0)});
  return t.result(inst.type, Op::OpCompositeConstruct, {element});
}

Id matrix_load(Translation& t, const Inst& inst) {
  const Place p = place(t, inst);
  return t.result(inst.type, recent::kOpCooperativeMatrixLoad,
                  {p.pointer, p.layout, p.stride, kNonPrivate});
}

Id matrix_store(Translation& t, const Inst& inst) {
  const Place p = place(t, inst);
  t.statement(recent::kOpCooperativeMatrixStore,
              {p.pointer, t.arg(inst, 2), p.layout, p.stride, kNonPrivate});
  return 0;
}

Id matrix_multiply_add(Translation& t, const Inst& inst) {
  const Id a = t.arg(inst, 0), b = t.arg(inst, 1), sum = t.arg(inst, 2);
  if (ir::is_float(inst.type)) {
    return t.result(inst.type, recent::kOpCooperativeMatrixMulAdd, {a, b, sum});
  }
  const auto signs = [](ir::Type type, uint32_t mask) { return ir::is_signed(type) ? mask : 0; };
  const uint32_t operands = signs(t.arg_type(inst, 0), recent::kMatrixASigned) |
                            signs(t.arg_type(inst, 1), recent::kMatrixBSigned) |
                            signs(inst.type, recent::kMatrixSumSigned);
  return t.result(inst.type, recent::kOpCooperativeMatrixMulAdd, {a, b, sum, operands});
}

Id matrix_add(Translation& t, const Inst& inst) {
  return t.exact(inst.type, t.binary(inst, by_type(inst.type, Op::OpFAdd, Op::OpIAdd, Op::OpIAdd)));
}

Id matrix_multiply(Translation& t, const Inst& inst) {
  return t.exact(inst.type, t.binary(inst, by_type(inst.type, Op::OpFMul, Op::OpIMul, Op::OpIMul)));
}

Id element_load(Translation& t, const Inst& inst) {
  return t.result(inst.type, Op::OpLoad, {element(t, inst)});
}

Id element_store(Translation& t, const Inst& inst) {
  const ir::Type type{t.arg_type(inst, 0).scalar};
  Id value = t.arg(inst, 1);
  if (type != inst.type) value = t.result_of(t.module.type(type), Op::OpFConvert, {value});
  t.statement(Op::OpStore, {element(t, inst), value});
  return 0;
}

}  // namespace nxv::spirv::emitters
