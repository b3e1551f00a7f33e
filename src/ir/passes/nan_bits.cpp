#include "ir/passes/nan_bits.h"

namespace nxv::ir {
namespace {

enum class Use : uint8_t { sees, hides, hands_on };

// What an instruction does with the NaN that it is given: arithmetic makes another one, of bits
// that are the device's choice. `of_float`: it is given as a float, not as the bits of one.
Use use_of(const Inst& inst, bool of_float) {
  switch (inst.op) {
    case Opcode::add:
    case Opcode::sub:
    case Opcode::mul:
    case Opcode::div:
    case Opcode::fma:
    case Opcode::sqrt:
    case Opcode::round_bf16:
    case Opcode::round_f16:
    case Opcode::to_f16:
    case Opcode::eq:
    case Opcode::ne:
    case Opcode::lt:
    case Opcode::le:
    case Opcode::gt:
    case Opcode::ge:
      return of_float ? Use::hides : Use::sees;
    case Opcode::convert:
      if (is_float(inst.type)) return of_float ? Use::hands_on : Use::sees;
      return of_float ? Use::hides : Use::hands_on;
    case Opcode::select:
    case Opcode::neg:
    case Opcode::abs:
    case Opcode::floor:
    case Opcode::ceil:
    case Opcode::trunc:
    case Opcode::round_even:
    case Opcode::pack:
    case Opcode::extract:
      return Use::hands_on;
    default:
      return Use::sees;
  }
}

}  // namespace

std::vector<bool> nan_bits_seen(const Kernel& kernel) {
  std::vector<bool> seen(kernel.body.size());
  for (size_t i = kernel.body.size(); i-- > 0;) {  // users come after what they use
    const Inst& inst = kernel.body[i];
    for (int a = 0; a < operand_count(inst); ++a) {
      const Use use = use_of(inst, is_float(kernel.body[inst.args[a]].type));
      if (use == Use::sees || (use == Use::hands_on && seen[i])) seen[inst.args[a]] = true;
    }
  }
  return seen;
}

}  // namespace nxv::ir
