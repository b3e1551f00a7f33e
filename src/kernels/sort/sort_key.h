// What a sort compares: an order-preserving map of the elements' bits to unsigned integers.
#pragma once

#include "base/dtype.h"
#include "ir/builder.h"

namespace nxv::kernels {

// 32 or 64 bits as words; `high` of 64-bit types only.
struct Bits {
  ir::Value low, high;
  bool is_wide() const { return high.exists(); }
};

// The bits of an element as it is stored, zeros above.
Bits load_bits(ir::Value buffer, ir::Value index, DType t);
// An array of the bits of elements of type t: a word each, two for 64-bit types.
Bits load_words(ir::Value buffer, ir::Value index, DType t);
void store_words(ir::Value buffer, ir::Value index, const Bits& bits);
// The number that the bits are in type t; narrower ones than a word as u32, s32 or f32.
void store_value(ir::Value buffer, ir::Value index, const Bits& bits, DType t);

// Unsigned integers of bits(t) bits: -Inf < finite < Inf < NaN, zeros equal, NaN equal; reversed
// when descending.
Bits order_key(const Bits& bits, DType t, bool descending);
ir::Value less(const Bits& a, const Bits& b);
ir::Value equal(const Bits& a, const Bits& b);
// `width` bits from bit `shift` on, a multiple of the width that divides 32.
ir::Value digit(const Bits& key, ir::Value shift, int width);

}  // namespace nxv::kernels
