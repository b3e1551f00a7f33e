// The emitter of each elementwise operation: KernelIR for one element.
#pragma once

#include <functional>
#include <span>

#include "ir/number.h"
#include "ops/op_table.h"

namespace nxv::ir {

struct EmitContext {
  math::MathOptions math;
  // Called with a condition under which the operation is an error for this element (integer
  // division by zero, a negative shift amount). Never called for operations that cannot fail.
  std::function<void(Value)> fault;
};

// `op` of `args` as a number of type `out`. Throws Error(unsupported) for a type that Nx does not
// define the operation for.
Number emit(Op op, DType out, std::span<const Number> args, const EmitContext& context);

}  // namespace nxv::ir
