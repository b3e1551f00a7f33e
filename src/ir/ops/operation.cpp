#include "ir/ops/operation.h"

#include <array>

#include "base/error.h"

namespace nxv::ir {

void Operation::refuse() const {
  throw Error(Status::unsupported,
              std::string(name(op)) + " is not defined for " + std::string(name(args[0].dtype)));
}

bool Operation::can_fault() const {
  std::array<DType, 3> operands = {};
  for (size_t i = 0; i < args.size(); ++i) operands[i] = args[i].dtype;
  return fault_of(op, out, operands) != Fault::none;
}

void Operation::fault_if(Value condition) const {
  if (!can_fault()) {
    throw Error(Status::internal, std::string(name(op)) + " has no fault in the op table");
  }
  context.fault(condition);
}

Value clip(Value x, Value low, Value high) {
  Builder& b = x.builder();
  const Value raised = b.select(x > low, x, low);
  const Value clipped = b.select(raised < high, raised, high);
  if (!is_float(x.type())) return clipped;
  return b.select(x != x, x, b.select(low != low, low, clipped));
}

}  // namespace nxv::ir
