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

}  // namespace

Id matrix_fill(Translation& t, const Inst& inst) { return t.unary(inst, Op::OpCompositeConstruct); }

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
  return t.result(inst.type, recent::kOpCooperativeMatrixMulAdd,
                  {t.arg(inst, 0), t.arg(inst, 1), t.arg(inst, 2)});
}

Id matrix_add(Translation& t, const Inst& inst) {
  return t.exact(inst.type, t.binary(inst, Op::OpFAdd));
}

Id matrix_multiply(Translation& t, const Inst& inst) {
  return t.exact(inst.type, t.binary(inst, Op::OpFMul));
}

}  // namespace nxv::spirv::emitters
