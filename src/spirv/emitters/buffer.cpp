#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using ir::Type;
using spv::Op;

constexpr uint32_t kAligned = word(spv::MemoryAccessMask::Aligned);

uint32_t alignment(const Inst& inst) { return static_cast<uint32_t>(ir::bytes(inst.type)); }

}  // namespace

Id load(Translation& t, const Inst& inst) {
  if (t.texels.reads(inst)) return t.texels.load(inst, t.arg(inst, 1));
  const Id pointer = t.addressing.buffer_element(inst, t.arg(inst, 1));
  const Type moved = t.addressing.access_type(inst.type);
  const Id loaded = t.result(moved, Op::OpLoad, {pointer, kAligned, alignment(inst)});
  if (moved == storage_type(inst.type)) return loaded;
  return t.result(inst.type, Op::OpBitcast, {loaded});
}

Id store(Translation& t, const Inst& inst) {
  const Id pointer = t.addressing.buffer_element(inst, t.arg(inst, 1));
  const Type moved = t.addressing.access_type(inst.type);
  Id value = t.arg(inst, 2);
  if (moved != storage_type(inst.type)) value = t.result(moved, Op::OpBitcast, {value});
  t.statement(Op::OpStore, {pointer, value, kAligned, alignment(inst)});
  return 0;
}

}  // namespace nxv::spirv::emitters
