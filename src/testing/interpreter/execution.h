// One instruction, executed by all invocations of a workgroup.
#pragma once

#include "testing/interpreter/machine.h"

namespace nxv::testing {

struct Execution {
  Execution(Machine& machine, uint32_t id)
      : m(machine), inst(machine.kernel.body[id]), id(id), out(machine.value(id)) {}

  uint64_t* arg(size_t i) const { return m.value(inst.args[i]); }
  ir::Type arg_type(size_t i) const { return m.kernel.body[inst.args[i]].type; }
  uint32_t count() const { return inst.type.lanes * m.width; }  // numbers of the result
  // Sets number i of the result to f(i), for all of them.
  template <typename F>
  void each(F f) const {
    uint64_t* const to = out;
    const uint32_t end = count();
    for (uint32_t i = 0; i < end; ++i) to[i] = f(i);
  }
  // Position in an operand that may have one lane for all lanes of the result.
  uint32_t spread(size_t operand, uint32_t i) const {
    return arg_type(operand).lanes == 1 ? i % m.width : i;
  }

  Machine& m;
  const ir::Inst& inst;
  const uint32_t id;
  uint64_t* const out;  // of the result
};

}  // namespace nxv::testing
