// Types narrower than 32 bits, on 32-bit words: no device feature is needed and subnormals survive
// on devices whose float arithmetic flushes them. 16-bit floats have conversions of KernelIR,
// others integer arithmetic.
#pragma once

#include "base/dtype.h"
#include "ir/builder.h"

namespace nxv::ir {

// The element in the low bits of a u32 word (other bits are ignored): u2 .. u16 as u32, s2 .. s16
// as s32, f8_e4m3fn, f8_e5m2, bf16 and f16 as f32, exactly. u32, s32 and f32 pass through.
Value decode(Value word, DType type);

// The inverse, as a u32 that holds the element in its low bits and zeros above. Integers (u32 or
// s32) wrap. Floats (f32 or f64) round once to nearest even; beyond the range they become infinity,
// or +-448 in f8_e4m3fn, which has none. NaN has one representation a type, as Nx writes it.
Value encode(Value v, DType type);

// The same of a number that the type holds, which need not be rounded; and of two of a 16-bit type
// in a word, the first in its low half.
Value encode_exact(Value v, DType type);
Value encode_exact_pair(Value low, Value high, DType type);

// The bits of an f32 number that the float type can hold; NaN keeps its sign and what fits of its
// payload.
Value exact_bits(Value v, DType type);

// decode(encode(v, type), type): the f32 number that the float type would hold.
Value round_to(Value v, DType type);

}  // namespace nxv::ir
