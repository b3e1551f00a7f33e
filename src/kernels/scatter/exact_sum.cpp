#include "kernels/scatter/exact_sum.h"

namespace nxv::kernels {

using ir::Builder;
using ir::Opcode;
using ir::Value;

namespace {

// Kinds of terms seen.
constexpr uint32_t kNan = 1, kInfinity = 2, kMinusInfinity = 4, kNotMinusZero = 8;

// The significand's last bit in the fixed-point number of the largest exponent.
constexpr int kScale = 64, kWideScale = 40;

}  // namespace

ExactSum::ExactSum(Builder& builder, DType type)
    : b_(builder), type_(type), wide_(type == DType::f64) {}

ExactSum::Term ExactSum::decompose(Value term) const {
  const Value words = wide_ ? b_.bitcast(term, ir::vec(ir::kU32, 2)) : Value();
  const Value low = wide_ ? b_.extract(words, 0) : b_.u32(0);
  const Value top = wide_ ? b_.extract(words, 1) : b_.bitcast(term, ir::kU32);
  const int position = wide_ ? 20 : 23;
  const uint32_t special = wide_ ? 0x7ff : 0xff;
  const Value field = (top >> position) & special;
  const Value fraction = top & ((1u << position) - 1);
  const Value finite = field != special;
  const Value hidden = b_.select(field == 0u, b_.u32(0), b_.u32(1u << position));

  Term t;
  t.negative = (top >> 31) != 0u;
  t.exponent = b_.select(finite, b_.binary(Opcode::max, field, b_.u32(1)), b_.u32(0));
  t.low = b_.select(finite, low, b_.u32(0));
  t.high = b_.select(finite, fraction | hidden, b_.u32(0));
  const Value infinity = b_.select(t.negative, b_.u32(kMinusInfinity), b_.u32(kInfinity));
  const Value minus_zero = (top == 0x80000000u) & (low == 0u);
  const Value number = b_.select(minus_zero, b_.u32(0), b_.u32(kNotMinusZero));
  t.kinds = b_.select(finite, number, b_.select((fraction | low) == 0u, infinity, b_.u32(kNan)));
  return t;
}

void ExactSum::start(Value buffer, Value base, Value term) const {
  const Term t = decompose(term);
  b_.store(buffer, base, t.exponent);
  b_.store(buffer, base + 1u, t.kinds);
  for (uint32_t i = 0; i < 4; ++i) b_.store(buffer, base + (2 + i), b_.u32(0));
}

void ExactSum::raise(Value buffer, Value base, Value term) const {
  const Term t = decompose(term);
  b_.atomic(Opcode::atomic_max, buffer, base, t.exponent);
  b_.atomic(Opcode::atomic_or, buffer, base + 1u, t.kinds);
}

void ExactSum::add(Value buffer, Value base, Value term) const {
  const Limbs x = fixed(decompose(term), b_.load(buffer, base, ir::kU32));
  // Each limb's wrap is seen by exactly one of the additions that cause it.
  Value carry = b_.u32(0);
  for (uint32_t i = 0; i < 4; ++i) {
    const Value addend = x[i] + carry;
    const Value old = b_.atomic(Opcode::atomic_add, buffer, base + (2 + i), addend);
    carry = b_.convert((old + addend < addend) | (addend < carry), ir::kU32);
  }
}

Value ExactSum::finish(Value buffer, Value base, Value first) const {
  const Value largest = b_.load(buffer, base, ir::kU32);
  const Value kinds = b_.load(buffer, base + 1u, ir::kU32);
  Limbs sum;
  for (uint32_t i = 0; i < 4; ++i) sum[i] = b_.load(buffer, base + (2 + i), ir::kU32);
  sum = plus(sum, fixed(decompose(first), largest));
  const Value negative = (sum[3] >> 31) != 0u;
  const std::array<Value, 2> magnitude = rounded(negated_if(negative, sum), largest);

  const auto has = [&](uint32_t kind) { return (kinds & kind) != 0u; };
  const Value sign = b_.select(negative | !has(~0u), b_.u32(0x80000000), b_.u32(0));
  const uint32_t infinity = wide_ ? 0x7ff00000 : 0x7f800000;
  const uint32_t nan = wide_ ? 0x7ff80000 : 0x7fc00000;
  const Value nothing = !(has(kNan) | has(kInfinity) | has(kMinusInfinity));
  const Value is_nan = has(kNan) | (has(kInfinity) & has(kMinusInfinity));
  const Value special =
      b_.select(is_nan, b_.u32(nan),
                b_.select(has(kInfinity), b_.u32(infinity), b_.u32(infinity | 0x80000000)));
  const Value top = b_.select(nothing, magnitude[0] | sign, special);
  if (!wide_) return ir::wrap(b_.bitcast(top, ir::kF32), type_);
  const Value low = b_.select(nothing, magnitude[1], b_.u32(0));
  return b_.bitcast(b_.pack({low, top}), ir::kF64);
}

ExactSum::Limbs ExactSum::fixed(const Term& t, Value largest) const {
  const Value zero = b_.u32(0);
  const Limbs x = wide_ ? Limbs{zero, t.low << (kWideScale - 32),
                                (t.low >> (64 - kWideScale)) | (t.high << (kWideScale - 32)),
                                t.high >> (64 - kWideScale)}
                        : Limbs{zero, zero, t.high, zero};
  static_assert(kScale == 64);
  const Value below = b_.binary(Opcode::min, largest - t.exponent, b_.u32(127));
  return negated_if(t.negative, shifted_right(x, below));
}

// Normalizes so that the leading bit is bit 127. A subnormal result is a multiple of the smallest
// number, like all terms, and so is not rounded at all.
std::array<Value, 2> ExactSum::rounded(const Limbs& magnitude, Value largest) const {
  Value zeros = b_.unary(Opcode::clz, magnitude[0]) + 96u;
  for (int i = 1; i < 4; ++i) {
    const auto above = static_cast<uint32_t>(32 * (3 - i));
    const Value here = b_.unary(Opcode::clz, magnitude[i]) + above;
    zeros = b_.select(magnitude[i] == 0u, zeros, here);
  }
  const Limbs lead = shifted_left(magnitude, b_.binary(Opcode::min, zeros, b_.u32(127)));
  // Biased exponent of the result: that of the leading bit.
  const int mantissa = wide_ ? 52 : 23;
  const int scale = wide_ ? kWideScale : kScale;
  const Value exponent =
      b_.bitcast(largest, ir::kS32) - b_.bitcast(zeros, ir::kS32) + (127 - mantissa - scale);
  const Value subnormal = exponent < 1;
  const Value deeper = b_.bitcast(b_.s32(1) - exponent, ir::kU32);
  const Limbs y = shifted_right(
      lead, b_.select(subnormal, b_.binary(Opcode::min, deeper, b_.u32(127)), b_.u32(0)));
  const Value raised = b_.bitcast(b_.select(subnormal, b_.s32(0), exponent - 1), ir::kU32);

  const uint32_t infinity = wide_ ? 0x7ff00000 : 0x7f800000;
  const Value overflows = exponent > (wide_ ? 2046 : 254);
  const Value is_zero = (magnitude[0] | magnitude[1] | magnitude[2] | magnitude[3]) == 0u;
  const auto finished = [&](Value top) {
    return b_.select(is_zero, b_.u32(0), b_.select(overflows, b_.u32(infinity), top));
  };
  if (!wide_) {
    const Value significand = y[3] >> 8;
    const Value half = (y[3] >> 7) & 1u;
    const Value rest = (y[3] & 0x7fu) | y[2] | y[1] | y[0];
    const Value lost = b_.convert((half | rest) != 0u, ir::kU32);
    const Value up = half & (b_.convert(rest != 0u, ir::kU32) | (significand & 1u));
    const Value bits = significand + (raised << 23);
    // Narrower types round once more: an odd last bit keeps them from rounding twice.
    return {finished(type_ == DType::f32 ? bits + up : bits | lost), Value()};
  }
  const Value low = (y[3] << 21) | (y[2] >> 11);
  const Value half = (y[2] >> 10) & 1u;
  const Value rest = (y[2] & 0x3ffu) | y[1] | y[0];
  const Value up = half & (b_.convert(rest != 0u, ir::kU32) | (low & 1u));
  const Value rounded_low = low + up;
  const Value carry = b_.convert(rounded_low < up, ir::kU32);
  const Value top = (y[3] >> 11) + (raised << 20) + carry;
  return {finished(top), b_.select(is_zero | overflows, b_.u32(0), rounded_low)};
}

ExactSum::Limbs ExactSum::plus(const Limbs& a, const Limbs& b) const {
  Limbs sum;
  Value carry = b_.u32(0);
  for (size_t i = 0; i < 4; ++i) {
    const Value addend = b[i] + carry;
    sum[i] = a[i] + addend;
    carry = b_.convert((sum[i] < addend) | (addend < carry), ir::kU32);
  }
  return sum;
}

ExactSum::Limbs ExactSum::negated_if(Value condition, const Limbs& x) const {
  Limbs flipped;
  for (size_t i = 0; i < 4; ++i) flipped[i] = b_.select(condition, ~x[i], x[i]);
  const Value one = b_.convert(condition, ir::kU32);
  return plus(flipped, {one, b_.u32(0), b_.u32(0), b_.u32(0)});
}

// Amounts are below 128: first the bits, then one and two limbs.
ExactSum::Limbs ExactSum::shifted_left(const Limbs& x, Value by) const {
  const Value bits = by & 31u;
  Limbs y;
  for (size_t i = 0; i < 4; ++i) {
    y[i] = x[i] << bits;
    if (i > 0) y[i] = y[i] | ((x[i - 1] >> 1) >> (b_.u32(31) - bits));
  }
  for (const size_t limbs : {1, 2}) {
    const Value moves = (by & static_cast<uint32_t>(32 * limbs)) != 0u;
    for (size_t i = 4; i-- > 0;) {
      y[i] = b_.select(moves, i >= limbs ? y[i - limbs] : b_.u32(0), y[i]);
    }
  }
  return y;
}

ExactSum::Limbs ExactSum::shifted_right(const Limbs& x, Value by) const {
  const Value bits = by & 31u;
  Limbs y;
  for (size_t i = 0; i < 4; ++i) {
    y[i] = x[i] >> bits;
    if (i < 3) y[i] = y[i] | ((x[i + 1] << 1) << (b_.u32(31) - bits));
  }
  for (const size_t limbs : {1, 2}) {
    const Value moves = (by & static_cast<uint32_t>(32 * limbs)) != 0u;
    for (size_t i = 0; i < 4; ++i) {
      y[i] = b_.select(moves, i + limbs < 4 ? y[i + limbs] : b_.u32(0), y[i]);
    }
  }
  return y;
}

}  // namespace nxv::kernels
