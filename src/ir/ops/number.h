// Numbers of the DTypes inside a kernel.
//
// Integers up to 32 bits are held as u32 or s32, extended from their width; f8, bf16 and f16 as
// f32 values that the type can represent; complex numbers as two parts.
#pragma once

#include "base/dtype.h"
#include "ir/builder.h"
#include "ir/math/math.h"

namespace nxv::ir {

struct Number {
  DType dtype = DType::f32;
  Value re;
  Value im;  // complex types only
};

// Type of one part of a number of type t.
Type compute_type(DType t);

// v, of t's compute type or (for floats) f64, as a number of t: integers wrap to the width, floats
// round once.
Value wrap(Value v, DType t);

// The number in another type, as Nx.as_type has it: reals truncate and wrap into integers (NaN: 0,
// infinities: the bounds), complex numbers lose their imaginary part, everything else rounds once.
Number cast(const Number& x, DType to, const math::MathOptions& options);

// True for everything but zeros; NaN is true.
Value is_truthy(const Number& x);

// From 32-bit words of the graph's scalars: one word, two for 64-bit types and c64, four for c128.
int scalar_words(DType t);
Number from_words(Builder& b, DType t, std::span<const Value> words);

// A float in f64 or f32 from another width; exact upwards.
Value widen(Value v, Type to);

}  // namespace nxv::ir
