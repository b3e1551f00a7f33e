// Operations of 32- and 64-bit integers whose results are floats of up to 32 bits, for devices
// whose f64 is slow or absent.
#pragma once

#include <span>

#include "ir/math/extended.h"
#include "ir/ops/number.h"
#include "ops/op_table.h"

namespace nxv::ir {

// Integers of 32 and 64 bits: those that f32 does not hold.
inline bool is_large_integer(DType t) { return is_integer(t) && bits(t) >= 32; }

// `op` of reals, at least one of them a large integer, as an f32 that is rounded once more to
// `out`; an absent value where the op of the nearest f32 numbers is accurate enough.
Value emit_of_integers(Op op, DType out, std::span<const Number> args,
                       const math::MathOptions& options);

// A real in pairs of f32.
math::Argument argument_of(const Number& x);

// A large integer or an f32 as an f32 that is rounded once more to `out`.
Value nearest_f32(const Number& x, DType out);

}  // namespace nxv::ir
