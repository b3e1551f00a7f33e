// An elementwise operation while it is emitted: what the emitters of all kinds of numbers share.
#pragma once

#include "ir/ops/emit.h"

namespace nxv::ir {

struct Operation {
  Operation(Op op, DType out, std::span<const Number> args, const EmitContext& context)
      : op(op), out(out), args(args), context(context), b(args[0].re.builder()) {}

  const math::MathOptions& math() const { return context.math; }

  // Throws Error(unsupported): there is no such operation of these types.
  [[noreturn]] void refuse() const;

  bool can_fault() const;
  void fault_if(Value condition) const;

  const Op op;
  const DType out;
  const std::span<const Number> args;
  const EmitContext& context;
  Builder& b;
};

// The upper bound wins over a larger lower one. NaN wins, as it does in min and max.
Value clip(Value x, Value low, Value high);

}  // namespace nxv::ir
