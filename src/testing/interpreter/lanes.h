// Lanes of values as numbers of C++: zero-extended bits, booleans 0 or 1.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "base/error.h"
#include "ir/type.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::testing {

template <typename T>
T from_bits(uint64_t bits) {
  if constexpr (std::same_as<T, float>) {
    return std::bit_cast<float>(static_cast<uint32_t>(bits));
  } else if constexpr (std::same_as<T, double>) {
    return std::bit_cast<double>(bits);
  } else if constexpr (std::same_as<T, bool>) {
    return bits != 0;
  } else {
    return static_cast<T>(bits);
  }
}

template <typename T>
uint64_t to_bits(T v) {
  if constexpr (std::same_as<T, float>) {
    return std::bit_cast<uint32_t>(v);
  } else if constexpr (std::same_as<T, double>) {
    return std::bit_cast<uint64_t>(v);
  } else if constexpr (std::same_as<T, bool>) {
    return v;
  } else {
    return static_cast<std::make_unsigned_t<T>>(v);
  }
}

template <typename T>
T poison() {
  return from_bits<T>(kPoison);
}

// The bits that a lane of a number has.
inline uint64_t lane_mask(ir::Type t) { return ir::is_64_bit(t) ? ~uint64_t{0} : 0xffffffff; }

// Calls f with a value of the C++ type.
template <typename F>
void with_number(ir::Type t, F f) {
  switch (t.scalar) {
    case ir::Scalar::u32:
      return f(uint32_t{});
    case ir::Scalar::s32:
      return f(int32_t{});
    case ir::Scalar::u64:
      return f(uint64_t{});
    case ir::Scalar::s64:
      return f(int64_t{});
    case ir::Scalar::f32:
      return f(float{});
    case ir::Scalar::f64:
      return f(double{});
    default:
      throw Error(Status::internal, "the interpreter computes with no " + to_string(t));
  }
}

template <typename F>
void with_any(ir::Type t, F f) {
  is_bool(t) ? f(bool{}) : with_number(t, f);
}

// An operand or result of arithmetic, on a device that may flush f32 subnormals.
template <typename T>
T settle(T v, bool flushes) {
  if constexpr (std::same_as<T, float>) {
    return flushes && std::fpclassify(v) == FP_SUBNORMAL ? std::copysign(0.0f, v) : v;
  } else {
    return v;
  }
}

}  // namespace nxv::testing
