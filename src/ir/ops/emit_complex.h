// Elementwise operations with a complex operand or result.
#pragma once

#include "ir/ops/number.h"
#include "ops/op_table.h"

namespace nxv::ir {

Number emit_complex(Op op, DType out, std::span<const Number> args,
                    const math::MathOptions& options);

}  // namespace nxv::ir
