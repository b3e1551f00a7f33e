#include "ir/ops/random.h"

#include <numbers>

#include "ir/ops/pick.h"

namespace nxv::ir {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;

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

namespace {

// Uniforms 2p and 2p + 1.
using Pair = std::array<Value, 2>;

// Pair p of a group of four, p below 2.
Pair uniform_pair(const Philox& stream, Value group, Value p, Type type) {
  Builder& b = group.builder();
  if (type == kF64) {
    const std::array<Value, 4> w = philox_words(stream, (group << 1) + p);
    return {to_uniform_f64(w[0], w[1]), to_uniform_f64(w[2], w[3])};
  }
  const std::array<Value, 4> w = philox_words(stream, group);
  const Value second = p != 0u;
  return {to_uniform_f32(b.select(second, w[2], w[0])),
          to_uniform_f32(b.select(second, w[3], w[1]))};
}

// Two normal numbers of two uniform ones.
Pair box_muller(const Pair& u, const math::MathOptions& options) {
  const Value one = like(u[0], 1.0);
  const Value radius = math::sqrt(math::log(one - u[0], options) * -2.0, options);
  const auto [sine, cosine] = math::sin_cos_of_turn(u[1] * (2.0 * std::numbers::pi), options);
  return {radius * cosine, radius * sine};
}

}  // namespace

Value random_normal(const Philox& stream, Value index, Type type,
                    const math::MathOptions& options) {
  Builder& b = index.builder();
  const Pair normals =
      box_muller(uniform_pair(stream, index >> 2, (index >> 1) & 1u, type), options);
  return b.select((index & 1u) != 0u, normals[1], normals[0]);
}

std::array<Value, 4> random_uniforms(const Philox& stream, Value group, Type type) {
  Builder& b = group.builder();
  if (type == kF64) {
    const Pair first = uniform_pair(stream, group, b.u32(0), type);
    const Pair second = uniform_pair(stream, group, b.u32(1), type);
    return {first[0], first[1], second[0], second[1]};
  }
  std::array<Value, 4> result = philox_words(stream, group);
  for (Value& v : result) v = to_uniform_f32(v);
  return result;
}

std::array<Value, 4> random_normals(const Philox& stream, Value group, Type type,
                                    const math::MathOptions& options, bool in_turn) {
  Builder& b = group.builder();
  if (!in_turn) {
    const std::array<Value, 4> u = random_uniforms(stream, group, type);
    const Pair first = box_muller({u[0], u[1]}, options);
    const Pair second = box_muller({u[2], u[3]}, options);
    return {first[0], first[1], second[0], second[1]};
  }
  // The first pair moves on when the second is made.
  std::array<Var, 4> results;
  for (Var& v : results) v = b.var(b.number(type, 1));
  const auto store = [&](const Pair& pair) {
    for (size_t i : {0, 1}) {
      results[i].set(results[i + 2].get());
      results[i + 2].set(pair[i]);
    }
  };
  std::array<Value, 4> u;
  if (type != kF64) u = random_uniforms(stream, group, type);
  const auto pair = [&](Value p) {
    if (type == kF64) return store(box_muller(uniform_pair(stream, group, p, type), options));
    const Value second = p != 0u;
    store(box_muller({b.select(second, u[2], u[0]), b.select(second, u[3], u[1])}, options));
  };
  b.for_range(b.u32(0), b.u32(2), b.u32(1), pair, Unrolling::never);
  return {results[0].get(), results[1].get(), results[2].get(), results[3].get()};
}

}  // namespace nxv::ir
