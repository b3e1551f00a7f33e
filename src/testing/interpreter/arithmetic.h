// The operations of KernelIR that look at nothing but their operands, over many invocations.
#pragma once

#include <array>
#include <cstdint>

#include "ir/kernel.h"
#include "testing/interpreter.h"

namespace nxv::testing {

// A value of all invocations: lane l of invocation i stands at lanes[l * width + i]. Numbers are
// zero-extended bits, booleans 0 or 1.
struct Operand {
  const uint64_t* lanes = nullptr;
  ir::Type type;
};

struct Evaluation {
  ir::Opcode op;
  ir::Type type;  // of the result
  uint64_t imm;
  std::array<Operand, 4> args;
  uint64_t* out;
  uint32_t width;  // invocations
};

// Whether evaluate knows the opcode.
bool is_pure(ir::Opcode op);
void evaluate(const Evaluation& e, const InterpreterOptions& options);

// Reduction steps of subgroups: op is add, min or max.
uint64_t combine(ir::Opcode op, ir::Type t, uint64_t a, uint64_t b,
                 const InterpreterOptions& options);

}  // namespace nxv::testing
