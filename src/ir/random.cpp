#include "ir/random.h"

#include <numbers>

namespace nxv::ir {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

// values[index] for a u32 index below N, N a power of two.
template <size_t N>
Value pick(const std::array<Value, N>& values, Value index) {
  Builder& b = index.builder();
  Value result = values[0];
  for (size_t i = 1; i < N; ++i) {
    result = b.select(index == static_cast<uint32_t>(i), values[i], result);
  }
  return result;
}

Value to_uniform_f32(Value word) {
  Builder& b = word.builder();
  return b.convert(word >> 8, kF32) * b.f32(0x1p-24f);
}

// ((hi << 32 | lo) >> 11) * 2^-53, without 64-bit integers: both parts are exact.
Value to_uniform_f64(Value lo, Value hi) {
  Builder& b = lo.builder();
  return b.convert(hi, kF64) * b.f64(0x1p-32) + b.convert(lo >> 11, kF64) * b.f64(0x1p-53);
}

}  // namespace

std::array<Value, 4> philox_words(const Philox& s, Value group) {
  Builder& b = group.builder();
  const Value low = s.counter_lo + group;
  const Value carry = b.convert(low < group, kU32);
  const Value high = s.counter_hi + carry;
  std::array<Value, 4> c = {low, high, b.convert(high < carry, kU32), b.u32(0)};
  Value k0 = s.key_lo, k1 = s.key_hi;
  for (int round = 0; round < 10; ++round) {
    if (round > 0) {
      k0 = k0 + b.u32(kWeyl0);
      k1 = k1 + b.u32(kWeyl1);
    }
    const Value m0 = b.u32(kMultiplier0), m1 = b.u32(kMultiplier1);
    const Value hi0 = b.binary(Opcode::mul_hi, m0, c[0]), lo0 = m0 * c[0];
    const Value hi1 = b.binary(Opcode::mul_hi, m1, c[2]), lo1 = m1 * c[2];
    c = {hi1 ^ c[1] ^ k0, lo1, hi0 ^ c[3] ^ k1, lo0};
  }
  return c;
}

Value random_uniform(const Philox& stream, Value index, Type type) {
  if (type == kF64) {
    const std::array<Value, 4> w = philox_words(stream, index >> 1);
    const Value second = (index & 1u) != 0u;
    Builder& b = index.builder();
    return to_uniform_f64(b.select(second, w[2], w[0]), b.select(second, w[3], w[1]));
  }
  return to_uniform_f32(pick(philox_words(stream, index >> 2), index & 3u));
}

Value random_normal(const Philox& stream, Value index, Type type,
                    const math::MathOptions& options) {
  Builder& b = index.builder();
  Value u1, u2;
  if (type == kF64) {
    const std::array<Value, 4> w = philox_words(stream, index >> 1);
    u1 = to_uniform_f64(w[0], w[1]);
    u2 = to_uniform_f64(w[2], w[3]);
  } else {
    const std::array<Value, 4> w = philox_words(stream, index >> 2);
    const Value second = (index & 2u) != 0u;
    u1 = to_uniform_f32(b.select(second, w[2], w[0]));
    u2 = to_uniform_f32(b.select(second, w[3], w[1]));
  }
  const Value one = like(u1, 1.0);
  const Value radius = math::sqrt(math::log(one - u1, options) * -2.0, options);
  const Value angle = u2 * (2.0 * std::numbers::pi);
  // sin(x) = cos(x - pi / 2) would lose digits; both are cheap next to the logarithm.
  const Value odd = (index & 1u) != 0u;
  return radius * b.select(odd, math::sin(angle, options), math::cos(angle, options));
}

}  // namespace nxv::ir
