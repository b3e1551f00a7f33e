// What each opcode does, a file a family.
//
// Operations without an effect are computed for inactive invocations too: nobody sees their
// results. Every row of the opcode table has one here: a row without a definition does not link.
#pragma once

#include "testing/interpreter/execution.h"

namespace nxv::testing::evaluations {

#define NXV_EVALUATION(name, ...) void name(Execution& s);
NXV_OPCODES(NXV_EVALUATION)
#undef NXV_EVALUATION

}  // namespace nxv::testing::evaluations
