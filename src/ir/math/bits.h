// The representation of f32 and f64 values: fields, powers of two, special values.
#pragma once

#include <cmath>
#include <limits>

#include "ir/builder.h"

namespace nxv::ir::math {

inline bool is_f64(Type t) { return t == kF64; }

// The 32-bit word that holds sign and exponent, and its exponent field's position.
inline Value top_word(Value x) {
  Builder& b = x.builder();
  return is_f64(x.type()) ? b.extract(b.bitcast(x, vec(kU32, 2)), 1) : b.bitcast(x, kU32);
}
inline Value low_word(Value x) {
  Builder& b = x.builder();
  return b.extract(b.bitcast(x, vec(kU32, 2)), 0);
}
inline Value f64_from_words(Value low, Value high) {
  Builder& b = low.builder();
  return b.bitcast(b.pack({low, high}), kF64);
}
inline int exponent_shift(Type t) { return is_f64(t) ? 20 : 23; }
inline int exponent_bias(Type t) { return is_f64(t) ? 1023 : 127; }

// x with another top word.
inline Value with_top_word(Value x, Value top) {
  Builder& b = x.builder();
  return is_f64(x.type()) ? f64_from_words(low_word(x), top) : b.bitcast(top, kF32);
}

// 2^n for s32 n within the normal range.
inline Value power_of_two(Value n, Type t) {
  Builder& b = n.builder();
  const Value top = b.bitcast((n + exponent_bias(t)) << exponent_shift(t), kU32);
  return is_f64(t) ? f64_from_words(b.u32(0), top) : b.bitcast(top, kF32);
}

// x * 2^n, rounded once when |x| is about 1; n within twice the normal range.
inline Value scale_by_power(Value x, Value n) {
  const Value half = n >> 1;
  return x * power_of_two(half, x.type()) * power_of_two(n - half, x.type());
}

inline Value nan(Builder& b, Type t) {
  return b.number(t, std::numeric_limits<double>::quiet_NaN());
}
inline Value infinity(Builder& b, Type t) {
  return b.number(t, std::numeric_limits<double>::infinity());
}

// y, or NaN if x is one: a product, so that what rounds it knows it to be of arithmetic.
inline Value nan_or(Value y, Value x) {
  Builder& b = x.builder();
  return y * b.select(x == x, like(y, 1), nan(b, y.type()));
}

// NaN stays NaN.
inline Value clamp(Value x, double low, double high) {
  Builder& b = x.builder();
  const Value lo = like(x, low), hi = like(x, high);
  return b.select(x < lo, lo, b.select(x > hi, hi, x));
}

}  // namespace nxv::ir::math
