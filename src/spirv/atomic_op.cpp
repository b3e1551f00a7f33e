#include "spirv/atomic_op.h"

namespace nxv::spirv {

using ir::Opcode;
using spv::Op;

Op atomic_op(const ir::Inst& inst) {
  const bool is_signed = ir::is_signed(inst.type);
  switch (inst.op) {
    case Opcode::atomic_add:
    case Opcode::shared_atomic_add:
      return Op::OpAtomicIAdd;
    case Opcode::atomic_min:
    case Opcode::shared_atomic_min:
      return is_signed ? Op::OpAtomicSMin : Op::OpAtomicUMin;
    case Opcode::atomic_max:
    case Opcode::shared_atomic_max:
      return is_signed ? Op::OpAtomicSMax : Op::OpAtomicUMax;
    case Opcode::atomic_or:
    case Opcode::shared_atomic_or:
      return Op::OpAtomicOr;
    default:
      return Op::OpAtomicExchange;
  }
}

}  // namespace nxv::spirv
