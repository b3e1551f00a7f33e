#include "kernels/sort/sort_key.h"

#include "ir/ops/narrow.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Value;

namespace {

constexpr uint32_t low_mask(int width) {
  return width >= 32 ? 0xffffffffu : (uint32_t{1} << width) - 1;
}

// The bits of infinity (of the largest number in f8_e4m3fn): what is above in magnitude is NaN.
uint32_t infinity_bits(DType t) {
  switch (t) {
    case DType::f8_e4m3fn:
      return 0x7e;
    case DType::f8_e5m2:
      return 0x7c;
    case DType::bf16:
      return 0x7f80;
    case DType::f16:
      return 0x7c00;
    case DType::f64:
      return 0x7ff00000;  // upper word
    default:
      return 0x7f800000;
  }
}

// Negative numbers have all bits inverted, others the sign bit: the order of sign and magnitude.
Bits float_key(const Bits& x, DType t) {
  Builder& b = x.low.builder();
  const int width = bits(t);
  const Value top = x.is_wide() ? x.high : x.low;
  const uint32_t sign_bit = uint32_t{1} << ((width - 1) & 31), mask = low_mask(width);
  const Value magnitude = top & (sign_bit - 1);
  Value is_zero = magnitude == 0u, is_nan = magnitude > infinity_bits(t);
  if (x.is_wide()) {
    is_nan = is_nan | ((magnitude == infinity_bits(t)) & (x.low != 0u));
    is_zero = is_zero & (x.low == 0u);
  }
  const Value negative = ((top & sign_bit) != 0u) & !is_zero;
  const Value ones = b.u32(mask);
  const auto key_of = [&](Value word, uint32_t flip) {
    return b.select(is_nan, ones, b.select(negative, word ^ mask, word | flip));
  };
  // A zero of either sign is the sign bit alone, as +0.0 is.
  if (!x.is_wide()) return {key_of(x.low, sign_bit), {}};
  return {key_of(x.low, 0), key_of(x.high, sign_bit)};
}

}  // namespace

Bits load_bits(Value buffer, Value index, DType t) {
  Builder& b = buffer.builder();
  switch (storage_bytes(t)) {
    case 1:
      return {(b.load(buffer, index >> 2, ir::kU32) >> ((index & 3u) << 3)) & low_mask(bits(t)),
              {}};
    case 2:
      return {(b.load(buffer, index >> 1, ir::kU32) >> ((index & 1u) << 4)) & 0xffffu, {}};
    default:
      return load_words(buffer, index, t);
  }
}

Bits load_words(Value buffer, Value index, DType t) {
  Builder& b = buffer.builder();
  if (storage_bytes(t) < 8) return {b.load(buffer, index, ir::kU32), {}};
  const Value pair = b.load(buffer, index, ir::vec(ir::kU32, 2));
  return {b.extract(pair, 0), b.extract(pair, 1)};
}

void store_words(Value buffer, Value index, const Bits& bits) {
  Builder& b = buffer.builder();
  b.store(buffer, index, bits.is_wide() ? b.pack({bits.low, bits.high}) : bits.low);
}

void store_value(Value buffer, Value index, const Bits& bits, DType t) {
  if (storage_bytes(t) >= 4) return store_words(buffer, index, bits);
  buffer.builder().store(buffer, index, ir::decode(bits.low, t));
}

Bits order_key(const Bits& x, DType t, bool descending) {
  const int width = bits(t);
  const uint32_t sign_bit = uint32_t{1} << ((width - 1) & 31), mask = low_mask(width);
  Bits key = x;
  if (is_signed_int(t)) {
    Value& top = x.is_wide() ? key.high : key.low;
    top = top ^ sign_bit;
  } else if (is_real_float(t)) {
    key = float_key(x, t);
  }
  if (descending) {
    key.low = key.low ^ mask;
    if (key.is_wide()) key.high = ~key.high;
  }
  return key;
}

Value less(const Bits& a, const Bits& b) {
  if (!a.is_wide()) return a.low < b.low;
  return (a.high < b.high) | ((a.high == b.high) & (a.low < b.low));
}

Value equal(const Bits& a, const Bits& b) {
  const Value low = a.low == b.low;
  return a.is_wide() ? low & (a.high == b.high) : low;
}

Value digit(const Bits& key, Value shift, int width) {
  Builder& b = shift.builder();
  const Value word = key.is_wide() ? b.select(shift < 32u, key.low, key.high) : key.low;
  return (word >> (shift & 31u)) & low_mask(width);
}

}  // namespace nxv::kernels
