// The emitter of each elementwise operation: KernelIR for one element.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "ir/ops/number.h"
#include "ops/op_table.h"

namespace nxv::ir {

struct EmitContext {
  math::MathOptions math;
  // Called with the condition under which this element has no value, for the reason that fault_of
  // names; for operations and types that have one.
  std::function<void(Value)> fault;
};

// `op` of `args` as a number of type `out`. Throws Error(unsupported) for a type that Nx does not
// define the operation for.
Number emit(Op op, DType out, std::span<const Number> args, const EmitContext& context);

// The same of several elements that share branches; empty where they would not.
std::vector<Number> emit_together(Op op, DType out, std::span<const Number> elements,
                                  const math::MathOptions& math);

}  // namespace nxv::ir
