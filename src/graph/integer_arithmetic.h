// Arithmetic of integer scalars on the host, exactly as kernels do it.
#pragma once

#include <optional>
#include <span>

#include "base/scalar.h"
#include "ops/op_table.h"

namespace nxv {

// Whether `evaluate_integers` knows the operation for such types.
bool is_integer_arithmetic(Op op, DType result, std::span<const DType> operands);

// The result of a pointwise operation on integers: wrapped to its type; predicates are 0 or 1. A
// cast to a real type where that is exact. Nothing for other operations and types, and where the
// result has no value (a zero divisor, a negative exponent or shift amount).
std::optional<Scalar> evaluate_integers(Op op, DType result, std::span<const Scalar> operands);

}  // namespace nxv
