#include "testing/reference/random.h"

#include <cmath>
#include <numbers>
#include <string>

#include "base/error.h"

namespace nxv::reference {
namespace {

// Block `block` of the stream; the 128-bit counter is offset + block.
PhiloxBlock stream_block(const RandomAttr& stream, uint64_t block) {
  const uint64_t low = stream.offset + block;
  const uint32_t carry = low < block ? 1 : 0;
  return philox({static_cast<uint32_t>(low), static_cast<uint32_t>(low >> 32), carry, 0},
                {static_cast<uint32_t>(stream.seed), static_cast<uint32_t>(stream.seed >> 32)});
}

// low + u * (high - low) in the type that u is drawn in.
template <typename T>
double uniform(const RandomAttr& attr, T u) {
  const T low = static_cast<T>(attr.low);
  const T width = static_cast<T>(attr.high) - low;
  const T scaled = u * width;
  return low + scaled;
}

// Box and Muller: element 2p takes the cosine and 2p + 1 the sine of one pair of uniforms.
template <typename T, typename Uniform>
double normal(const RandomAttr& attr, uint64_t index, Uniform draw) {
  const uint64_t pair = index / 2;
  const T u1 = T{1} - draw(attr, 2 * pair);  // in (0, 1]
  const T u2 = draw(attr, 2 * pair + 1);
  const double radius = std::sqrt(-2 * std::log(static_cast<double>(u1)));
  const double angle = 2 * std::numbers::pi * static_cast<double>(u2);
  const T z = static_cast<T>(radius * (index % 2 == 0 ? std::cos(angle) : std::sin(angle)));
  const T scaled = static_cast<T>(attr.high) * z;
  return static_cast<T>(attr.low) + scaled;
}

}  // namespace

PhiloxBlock philox(PhiloxBlock counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

float uniform_f32(const RandomAttr& stream, uint64_t index) {
  const uint32_t word = stream_block(stream, index / 4)[index % 4];
  return static_cast<float>(word >> 8) * 0x1p-24F;
}

double uniform_f64(const RandomAttr& stream, uint64_t index) {
  const PhiloxBlock block = stream_block(stream, index / 2);
  const uint64_t low = block[2 * (index % 2)];
  const uint64_t high = block[2 * (index % 2) + 1];
  return static_cast<double>((high << 32 | low) >> 11) * 0x1p-53;
}

HostTensor evaluate_random(const Node& node) {
  if (!is_real_float(node.dtype)) {
    throw Error(Status::invalid_argument, std::string(name(node.op)) + " needs a real type, not " +
                                              std::string(name(node.dtype)));
  }
  const auto& attr = node.attribute<RandomAttr>();
  const bool wide = node.dtype == DType::f64;
  HostTensor out(node.dtype, node.shape);
  for (int64_t i = 0; i < node.count; ++i) {
    double value = 0;
    if (node.op == Op::random_uniform) {
      value = wide ? uniform(attr, uniform_f64(attr, i)) : uniform(attr, uniform_f32(attr, i));
    } else {
      value = wide ? normal<double>(attr, i, uniform_f64) : normal<float>(attr, i, uniform_f32);
    }
    out.set(i, make_scalar(node.dtype, value));
  }
  return out;
}

}  // namespace nxv::reference
