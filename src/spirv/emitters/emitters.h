// The SPIR-V of each opcode, a file a family.
//
// An emitter appends its instruction to the module and gives the id of its result, or 0 where it
// has none. Every row of the opcode table has one here: a row without a definition does not link.
#pragma once

#include "spirv/translation.h"

namespace nxv::spirv::emitters {

#define NXV_EMITTER(name, ...) Id name(Translation& t, const ir::Inst& inst);
NXV_OPCODES(NXV_EMITTER)
#undef NXV_EMITTER

}  // namespace nxv::spirv::emitters
