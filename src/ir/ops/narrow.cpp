#include "ir/ops/narrow.h"

#include "base/error.h"
#include "ir/math/bits.h"
#include "ir/ops/half_floats.h"

namespace nxv::ir {
namespace {

// A float format with sign, exponent and `mantissa` bits.
struct Format {
  int bits, mantissa, bias;
  uint32_t largest;  // magnitude of what overflow gives: infinity, or the largest number
  uint32_t nan;
};

Format format(DType type) {
  switch (type) {
    case DType::f8_e4m3fn:
      return {8, 3, 7, 0x7e, 0x7f};
    case DType::f8_e5m2:
      return {8, 2, 15, 0x7c, 0x7e};
    case DType::bf16:
      return {16, 7, 127, 0x7f80, 0x7fc0};
    case DType::f16:
      return {16, 10, 15, 0x7c00, 0x7e00};
    default:
      throw Error(Status::internal, "no narrow float type: " + std::string(name(type)));
  }
}

Value decode_float(Value word, DType type) {
  Builder& b = word.builder();
  if (type == DType::bf16) return b.bitcast(word << 16, kF32);
  if (type == DType::f16) return b.append(Opcode::from_f16, kF32, {word});
  const Format f = format(type);
  const Value magnitude = word & ((1u << (f.bits - 1)) - 1);
  const Value sign = (word << (32 - f.bits)) & 0x80000000u;
  const Value aligned = magnitude << (23 - f.mantissa);
  const Value normal = aligned + (static_cast<uint32_t>(127 - f.bias) << 23);
  // A subnormal counts units of 2^(1 - bias - mantissa); its leading bit becomes the implicit one.
  const Value zeros = b.unary(Opcode::clz, magnitude | 1);
  const Value exponent = b.u32(static_cast<uint32_t>(159 - f.bias - f.mantissa)) - zeros;
  const Value subnormal = (exponent << 23) + ((magnitude << (zeros - 8)) & 0x7fffff);
  Value bits = b.select(magnitude < (1u << f.mantissa),
                        b.select(magnitude == 0, b.u32(0), subnormal), normal);
  if (type == DType::f8_e4m3fn) {
    bits = b.select(magnitude == f.nan, b.u32(kF32Nan), bits);
  } else {
    bits = b.select(magnitude >= f.largest, aligned | kF32Infinity, bits);
  }
  return b.bitcast(bits | sign, kF32);
}

// The f32 bits of an f64, inexact results with an odd last bit: rounding them further rounds
// the f64 once.
Value round_to_odd(Value v) {
  Builder& b = v.builder();
  const Value top = math::top_word(v), low = math::low_word(v);
  const Value field = (top >> 20) & 0x7ff;
  const Value significand = (((top & 0xfffff) << 3) | (low >> 29)) | 0x800000;
  const Value exponent = b.bitcast(field, kS32) - 896;
  const Value shift = b.bitcast(
      b.binary(Opcode::min, b.binary(Opcode::max, b.s32(1) - exponent, b.s32(0)), b.s32(25)), kU32);
  const Value kept = significand >> shift;
  const Value lost = ((kept << shift) != significand) | ((low << 3) != 0);
  const Value raised = b.bitcast(b.binary(Opcode::max, exponent - 1, b.s32(0)), kU32) << 23;
  const Value finite = (kept + raised) | b.convert(lost, kU32);
  const Value limited = b.select(exponent > 254, b.u32(kF32Infinity - 1), finite);
  const Value magnitude =
      b.select(field == 0x7ff, b.select(v == v, b.u32(kF32Infinity), b.u32(kF32Nan)), limited);
  return magnitude | (top & 0x80000000u);
}

Value encode_float(Value bits, DType type) {
  Builder& b = bits.builder();
  const Format f = format(type);
  const int dropped = 23 - f.mantissa;
  const Value magnitude = magnitude_of(bits);
  const uint32_t rebias = static_cast<uint32_t>(127 - f.bias);
  Value rounded = (round_bits(magnitude, dropped) >> dropped) - (rebias << f.mantissa);
  // Below the smallest normal number: units of 2^(1 - bias - mantissa).
  const Value field = magnitude >> 23;
  const Value significand = (magnitude & 0x7fffff) | 0x800000;  // f32 subnormals vanish anyway
  const Value shift = b.binary(
      Opcode::min, b.u32(static_cast<uint32_t>(151 - f.bias - f.mantissa)) - field, b.u32(31));
  const Value half = b.u32(1) << (shift - 1);
  const Value units = (significand + (half - 1) + ((significand >> shift) & 1)) >> shift;
  rounded = b.select(magnitude < ((rebias + 1) << 23), units, rounded);
  rounded = b.binary(Opcode::min, rounded, b.u32(f.largest));
  const Value sign = (bits >> (32 - f.bits)) & (1u << (f.bits - 1));
  return b.select(magnitude > kF32Infinity, b.u32(f.nan), rounded | sign);
}

// The f32 to be rounded to a 16-bit type: one that no other rounding has touched, or that has been
// rounded to this type only.
Value to_round(Value v, DType type) {
  Builder& b = v.builder();
  if (v.type() == kF64) return b.bitcast(round_to_odd(v), kF32);
  const Inst& inst = b.definition(v);
  const Opcode rounding = type == DType::f16 ? Opcode::round_f16 : Opcode::round_bf16;
  return inst.op == rounding ? Value(&b, inst.args[0], kF32) : v;
}

// The bits of an f32 that is a bf16; of a NaN those that bf16 has.
Value bits_of_bf16(Value v) {
  Builder& b = v.builder();
  const Value bits = b.bitcast(v, kU32);
  return b.definition(v).op == Opcode::round_bf16 ? bits : b.select(v != v, b.u32(kF32Nan), bits);
}

}  // namespace

Value decode(Value word, DType type) {
  Builder& b = word.builder();
  if (is_real_float(type)) {
    return type == DType::f32 ? b.bitcast(word, kF32) : decode_float(word, type);
  }
  const int width = bits(type);
  if (!is_integer(type) || width > 32) {
    throw Error(Status::internal, "no type of at most 32 bits: " + std::string(name(type)));
  }
  if (is_signed_int(type)) {
    const Value word_s32 = b.bitcast(word, kS32);
    return width == 32 ? word_s32 : (word_s32 << (32 - width)) >> (32 - width);
  }
  return width == 32 ? word : word & ((1u << width) - 1);
}

Value encode(Value v, DType type) {
  Builder& b = v.builder();
  if (is_integer(type)) {
    const int width = bits(type);
    if (width > 32) throw Error(Status::internal, "no narrow type: " + std::string(name(type)));
    const Value word = b.bitcast(v, kU32);
    return width == 32 ? word : word & ((1u << width) - 1);
  }
  if (type == DType::f32) return b.bitcast(v, kU32);
  if (type == DType::bf16) return b.bitcast(round_to(v, type), kU32) >> 16;
  if (type == DType::f16) return b.append(Opcode::to_f16, kU32, {to_round(v, type)});
  return encode_float(v.type() == kF64 ? round_to_odd(v) : b.bitcast(v, kU32), type);
}

Value encode_exact(Value v, DType type) {
  return type == DType::bf16 ? bits_of_bf16(v) >> 16 : encode(v, type);
}

Value encode_exact_pair(Value low, Value high, DType type) {
  if (type == DType::bf16) return bits_of_bf16(low) >> 16 | bits_of_bf16(high);
  return encode_exact(low, type) | encode_exact(high, type) << 16;
}

Value round_to(Value v, DType type) {
  Builder& b = v.builder();
  if (type == DType::bf16) return b.unary(Opcode::round_bf16, to_round(v, type));
  if (type == DType::f16) return b.unary(Opcode::round_f16, to_round(v, type));
  return decode(encode(v, type), type);
}

Value exact_bits(Value v, DType type) {
  Builder& b = v.builder();
  const Format f = format(type);
  const Value bits = b.bitcast(v, kU32);
  const Value sign = (bits >> (32 - f.bits)) & (1u << (f.bits - 1));
  const Value payload = (bits >> (23 - f.mantissa)) & ((1u << f.mantissa) - 1);
  const uint32_t exponent = type == DType::f8_e4m3fn ? f.nan : f.largest;
  return b.select((bits & 0x7fffffff) > kF32Infinity, sign | payload | exponent, encode(v, type));
}

}  // namespace nxv::ir
