#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/scalar.h"
#include "testing/interpreter/evaluations.h"
#include "testing/interpreter/lanes.h"

namespace nxv::testing::evaluations {
namespace {

template <typename To, typename From>
To converted(From v) {
  if constexpr (std::same_as<To, bool>) {
    return v != From{};
  } else if constexpr (std::floating_point<From> && std::integral<To>) {
    // The limits are powers of two and so exact in both float types.
    const From end = std::ldexp(From{1}, std::numeric_limits<To>::digits);
    const From begin = std::signed_integral<To> ? -end : From{0};
    const From whole = std::trunc(v);
    return whole >= begin && whole < end ? static_cast<To>(whole) : poison<To>();
  } else {
    return static_cast<To>(v);
  }
}

void copy_lane(Execution& s, const uint64_t* from, uint32_t to) {
  std::copy_n(from, s.m.width, s.out + to * s.m.width);
}

}  // namespace

// A flushing device reads f32 subnormals as zero when it computes f64 from them.
void convert(Execution& s) {
  const bool flushes = s.m.options.flush_subnormals && s.inst.type.scalar == ir::Scalar::f64;
  const uint64_t* in = s.arg(0);
  with_any(s.arg_type(0), [&](auto from_tag) {
    using From = decltype(from_tag);
    with_any(s.inst.type, [&](auto to_tag) {
      using To = decltype(to_tag);
      s.each([&](uint32_t i) {
        const From v = settle(from_bits<From>(in[i]), flushes);
        return to_bits<To>(converted<To>(v));
      });
    });
  });
}

void bitcast(Execution& s) {
  const uint32_t from = s.arg_type(0).lanes, to = s.inst.type.lanes;
  const uint32_t width = s.m.width;
  const uint64_t* in = s.arg(0);
  if (from == to) {
    std::copy_n(in, s.count(), s.out);
  } else if (from < to) {  // words of wide numbers, low half first
    for (uint32_t i = 0; i < from * width; ++i) {
      const uint32_t low = 2 * (i / width) * width + i % width;
      s.out[low] = in[i] & 0xffffffff;
      s.out[low + width] = in[i] >> 32;
    }
  } else {
    for (uint32_t i = 0; i < to * width; ++i) {
      const uint32_t low = 2 * (i / width) * width + i % width;
      s.out[i] = in[low] | in[low + width] << 32;
    }
  }
}

// To nearest even.
void pack_half(Execution& s) {
  for (uint32_t i = 0; i < s.m.width; ++i) {
    std::array<uint16_t, 2> halves{};
    for (uint32_t lane = 0; lane < 2; ++lane) {
      const double v = from_bits<float>(s.arg(0)[lane * s.m.width + i]);
      store_scalar(make_scalar(DType::f16, v), reinterpret_cast<std::byte*>(halves.data()), lane);
    }
    s.out[i] = halves[0] | uint64_t{halves[1]} << 16;
  }
}

namespace {

void round_as(Execution& s, DType type) {
  for (uint32_t i = 0; i < s.m.width; ++i) {
    const float v = from_bits<float>(s.arg(0)[i]);
    const auto rounded = static_cast<float>(to_double(make_scalar(type, v)));
    s.out[i] = std::isnan(v) ? 0x7fc00000 : to_bits(rounded);
  }
}

}  // namespace

void round_bf16(Execution& s) { round_as(s, DType::bf16); }
void round_f16(Execution& s) { round_as(s, DType::f16); }

void to_f16(Execution& s) {
  for (uint32_t i = 0; i < s.m.width; ++i) {
    const float v = from_bits<float>(s.arg(0)[i]);
    s.out[i] = std::isnan(v) ? 0x7e00 : make_scalar(DType::f16, v).lo;
  }
}

void from_f16(Execution& s) {
  for (uint32_t i = 0; i < s.m.width; ++i) {
    const auto half = static_cast<uint32_t>(s.arg(0)[i] & 0xffff);
    const auto v = static_cast<float>(to_double({DType::f16, half, 0}));
    s.out[i] =
        std::isnan(v) ? (half & 0x8000) << 16 | 0x7f800000 | (half & 0x3ff) << 13 : to_bits(v);
  }
}

void pack(Execution& s) {
  for (uint32_t lane = 0; lane < s.inst.type.lanes; ++lane) copy_lane(s, s.arg(lane), lane);
}

void extract(Execution& s) { copy_lane(s, s.arg(0) + s.inst.imm * s.m.width, 0); }

}  // namespace nxv::testing::evaluations
