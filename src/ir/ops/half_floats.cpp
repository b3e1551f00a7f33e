#include "ir/ops/half_floats.h"

#include "base/error.h"

namespace nxv::ir {
namespace {

// Subnormals of f16 are multiples of 2^-24, which is also what an f32 counts that lies between 1/2
// and 1, and what one from 2^-14 on counts whose bits below are those of the subnormal. So adding
// 1/2 rounds to a subnormal, and taking 2^-14 away leaves one.
constexpr uint32_t kF16Normal = 0x38800000;  // 2^-14
constexpr uint32_t kF16Largest = 0x477fe000;

// The largest numbers that round up become infinity as their bits are counted on.
Value round_bf16(Value bits) {
  Builder& b = bits.builder();
  const Value rounded = round_bits(bits, 16) & 0xffff0000u, x = b.bitcast(bits, kF32);
  return b.select(x != x, b.u32(kF32Nan), rounded);
}

Value round_f16(Value bits) {
  Builder& b = bits.builder();
  const Value magnitude = magnitude_of(bits);
  const Value normal = round_bits(magnitude, 13) & 0xffffe000u;
  const Value subnormal = b.bitcast((b.bitcast(magnitude, kF32) + 0.5) - 0.5, kU32);
  Value rounded = b.select(magnitude < kF16Normal, subnormal, normal);
  rounded = b.select(normal > kF16Largest, b.u32(kF32Infinity), rounded);
  rounded = rounded | (bits & 0x80000000u);
  return b.select(magnitude > kF32Infinity, b.u32(kF32Nan), rounded);
}

Value to_f16(Value bits) {
  Builder& b = bits.builder();
  const Value magnitude = magnitude_of(bits);
  const Value normal = (round_bits(magnitude, 13) >> 13) - (112u << 10);
  const Value subnormal = b.bitcast(b.bitcast(magnitude, kF32) + 0.5, kU32) - 0x3f000000u;
  const Value finite = b.select(magnitude < kF16Normal, subnormal, normal);
  const Value rounded = b.binary(Opcode::min, finite, b.u32(0x7c00));
  return b.select(magnitude > kF32Infinity, b.u32(0x7e00), rounded | ((bits >> 16) & 0x8000));
}

Value from_f16(Value word) {
  Builder& b = word.builder();
  const Value aligned = (word & 0x7fff) << 13;
  const Value normal = aligned + (112u << 23);
  const Value subnormal = b.bitcast(b.bitcast(aligned | kF16Normal, kF32) - 0x1p-14, kU32);
  Value bits = b.select(aligned < (1u << 23), subnormal, normal);
  bits = b.select(aligned >= (31u << 23), aligned | kF32Infinity, bits);
  return bits | (word & 0x8000) << 16;
}

}  // namespace

Value convert_by_integers(Opcode conversion, Value word) {
  switch (conversion) {
    case Opcode::round_bf16:
      return round_bf16(word);
    case Opcode::round_f16:
      return round_f16(word);
    case Opcode::to_f16:
      return to_f16(word);
    case Opcode::from_f16:
      return from_f16(word);
    default:
      throw Error(Status::internal,
                  "no conversion of a 16-bit float: " + std::string(name(conversion)));
  }
}

}  // namespace nxv::ir
