// 16-bit floats by integer arithmetic on the bits of f32: what the conversions of KernelIR mean
// (opcode_table.h), for devices that have none or others. Subnormals survive on devices whose float
// arithmetic flushes them.
#pragma once

#include "ir/builder.h"

namespace nxv::ir {

inline constexpr uint32_t kF32Infinity = 0x7f800000, kF32Nan = 0x7fc00000;

// To nearest even where the bits below are dropped.
inline Value round_bits(Value bits, int dropped) {
  return bits + ((1u << (dropped - 1)) - 1) + ((bits >> dropped) & 1);
}
inline Value magnitude_of(Value bits) { return bits & 0x7fffffff; }

// What round_bf16, round_f16, to_f16 or from_f16 makes of a word; an f32 stands as its bits.
Value convert_by_integers(Opcode conversion, Value word);

}  // namespace nxv::ir
