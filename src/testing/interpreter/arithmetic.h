// Arithmetic on single numbers, for the operations that combine those of several invocations.
#pragma once

#include <cstdint>

#include "ir/opcode_table.h"
#include "ir/type.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {

// a op b, where op is add, min or max and a and b are lanes of a number of the type.
uint64_t combine(ir::Opcode op, ir::Type t, uint64_t a, uint64_t b,
                 const InterpreterOptions& options);

}  // namespace nxv::testing
