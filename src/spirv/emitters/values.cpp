// Values without operands, and local variables.
#include "spirv/emitters/emitters.h"

namespace nxv::spirv::emitters {

using ir::Inst;
using spv::Op;
using spv::StorageClass;

Id constant(Translation& t, const Inst& inst) { return t.module.constant(inst.type, inst.imm); }
Id param(Translation& t, const Inst& inst) { return t.addressing.param(inst.imm); }
Id builtin(Translation& t, const Inst& inst) {
  return t.inputs.builtin(static_cast<ir::Builtin>(inst.imm));
}

Id var_decl(Translation& t, const Inst& inst) {
  const Id pointer = t.module.variable_pointer(StorageClass::Function, inst.type);
  return t.module.instruction(t.module.variables, pointer, Op::OpVariable,
                              {word(StorageClass::Function)});
}
Id var_load(Translation& t, const Inst& inst) { return t.unary(inst, Op::OpLoad); }
Id var_store(Translation& t, const Inst& inst) {
  t.statement(Op::OpStore, {t.arg(inst, 0), t.arg(inst, 1)});
  return 0;
}

}  // namespace nxv::spirv::emitters
