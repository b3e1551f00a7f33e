#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {
namespace {

using ir::Inst;
using spv::Capability;
using spv::Op;

Id subgroup(Translation& t, const Inst& inst, Capability capability, Op op,
            std::initializer_list<uint32_t> operands) {
  ModuleBuilder& m = t.module;
  m.capability(Capability::GroupNonUniform);
  m.capability(capability);
  const Id scope = m.u32(word(spv::Scope::Subgroup));
  const Id id = m.new_id();
  const Id type = m.type(inst.type);
  m.code.push_back(static_cast<uint32_t>((operands.size() + 4) << 16) | word(op));
  m.code.push_back(type);
  m.code.push_back(id);
  m.code.push_back(scope);
  m.code.insert(m.code.end(), operands);
  return id;
}

Id reduce(Translation& t, const Inst& inst, Op of_float, Op of_signed, Op of_unsigned) {
  const Op op = by_type(inst.type, of_float, of_signed, of_unsigned);
  return subgroup(t, inst, Capability::GroupNonUniformArithmetic, op,
                  {word(spv::GroupOperation::Reduce), t.arg(inst, 0)});
}

}  // namespace

Id subgroup_add(Translation& t, const Inst& inst) {
  return reduce(t, inst, Op::OpGroupNonUniformFAdd, Op::OpGroupNonUniformIAdd,
                Op::OpGroupNonUniformIAdd);
}
Id subgroup_min(Translation& t, const Inst& inst) {
  return reduce(t, inst, Op::OpGroupNonUniformFMin, Op::OpGroupNonUniformSMin,
                Op::OpGroupNonUniformUMin);
}
Id subgroup_max(Translation& t, const Inst& inst) {
  return reduce(t, inst, Op::OpGroupNonUniformFMax, Op::OpGroupNonUniformSMax,
                Op::OpGroupNonUniformUMax);
}

Id subgroup_shuffle_xor(Translation& t, const Inst& inst) {
  const Id mask = t.module.u32(static_cast<uint32_t>(inst.imm));
  return subgroup(t, inst, Capability::GroupNonUniformShuffle, Op::OpGroupNonUniformShuffleXor,
                  {t.arg(inst, 0), mask});
}
Id subgroup_shuffle(Translation& t, const Inst& inst) {
  return subgroup(t, inst, Capability::GroupNonUniformShuffle, Op::OpGroupNonUniformShuffle,
                  {t.arg(inst, 0), t.arg(inst, 1)});
}

Id subgroup_broadcast_first(Translation& t, const Inst& inst) {
  return subgroup(t, inst, Capability::GroupNonUniformBallot, Op::OpGroupNonUniformBroadcastFirst,
                  {t.arg(inst, 0)});
}
Id subgroup_ballot(Translation& t, const Inst& inst) {
  return subgroup(t, inst, Capability::GroupNonUniformBallot, Op::OpGroupNonUniformBallot,
                  {t.arg(inst, 0)});
}

}  // namespace nxv::spirv::emitters
