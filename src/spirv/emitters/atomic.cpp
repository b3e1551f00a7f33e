// Atomics of buffers, which the device sees, and of shared arrays, which the workgroup sees.
#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using spv::Op;

constexpr uint32_t kRelaxed = word(spv::MemorySemanticsMask::MaskNone);

// Where an atomic is: its pointer, the scope that sees it, and which operand it takes.
struct Place {
  Id pointer, scope;
  size_t value;
};

Place place(Translation& t, const Inst& inst) {
  if (ir::memory(inst.op) == ir::Memory::buffer) {
    const Id pointer = t.addressing.buffer_element(inst, t.arg(inst, 1));
    return {pointer, t.module.u32(word(spv::Scope::Device)), 2};
  }
  const auto array = static_cast<uint32_t>(inst.imm);
  const Id pointer = t.addressing.shared_element(array, t.arg(inst, 0));
  return {pointer, t.module.u32(word(spv::Scope::Workgroup)), 1};
}

Id atomic(Translation& t, const Inst& inst, Op op) {
  const Place p = place(t, inst);
  const Id relaxed = t.module.u32(kRelaxed);
  return t.result(inst.type, op, {p.pointer, p.scope, relaxed, t.arg(inst, p.value)});
}

Op min_of(const Inst& inst) {
  return ir::is_signed(inst.type) ? Op::OpAtomicSMin : Op::OpAtomicUMin;
}
Op max_of(const Inst& inst) {
  return ir::is_signed(inst.type) ? Op::OpAtomicSMax : Op::OpAtomicUMax;
}

}  // namespace

Id atomic_load(Translation& t, const Inst& inst) {
  const Place p = place(t, inst);
  return t.result(inst.type, Op::OpAtomicLoad, {p.pointer, p.scope, t.module.u32(kRelaxed)});
}

Id atomic_store(Translation& t, const Inst& inst) {
  const Place p = place(t, inst);
  const Id relaxed = t.module.u32(kRelaxed);
  t.statement(Op::OpAtomicStore, {p.pointer, p.scope, relaxed, t.arg(inst, p.value)});
  return 0;
}

Id atomic_add(Translation& t, const Inst& inst) { return atomic(t, inst, Op::OpAtomicIAdd); }
Id atomic_min(Translation& t, const Inst& inst) { return atomic(t, inst, min_of(inst)); }
Id atomic_max(Translation& t, const Inst& inst) { return atomic(t, inst, max_of(inst)); }
Id atomic_or(Translation& t, const Inst& inst) { return atomic(t, inst, Op::OpAtomicOr); }
Id atomic_exchange(Translation& t, const Inst& inst) {
  return atomic(t, inst, Op::OpAtomicExchange);
}

Id shared_atomic_add(Translation& t, const Inst& inst) { return atomic(t, inst, Op::OpAtomicIAdd); }
Id shared_atomic_min(Translation& t, const Inst& inst) { return atomic(t, inst, min_of(inst)); }
Id shared_atomic_max(Translation& t, const Inst& inst) { return atomic(t, inst, max_of(inst)); }
Id shared_atomic_or(Translation& t, const Inst& inst) { return atomic(t, inst, Op::OpAtomicOr); }
Id shared_atomic_exchange(Translation& t, const Inst& inst) {
  return atomic(t, inst, Op::OpAtomicExchange);
}

}  // namespace nxv::spirv::emitters
