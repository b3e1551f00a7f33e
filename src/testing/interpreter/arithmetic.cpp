#include "testing/interpreter/arithmetic.h"

#include <bit>
#include <cmath>
#include <limits>

#include "testing/interpreter/evaluations.h"
#include "testing/interpreter/lanes.h"

namespace nxv::testing {
namespace {

using ir::Opcode;

template <typename T>
using Unsigned = std::make_unsigned_t<T>;

// a op b, of the operations with two operands.
template <typename T>
T arithmetic(Opcode op, T a, T b) {
  if constexpr (std::floating_point<T>) {
    switch (op) {
      case Opcode::add:
        return a + b;
      case Opcode::sub:
        return a - b;
      case Opcode::mul:
        return a * b;
      case Opcode::div:
        return a / b;
      case Opcode::rem:
        return std::fmod(a, b);
      default:
        if (std::isnan(a) || std::isnan(b)) return poison<T>();
        return op == Opcode::min ? (b < a ? b : a) : (a < b ? b : a);
    }
  } else {
    using U = Unsigned<T>;
    switch (op) {
      case Opcode::add:
        return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
      case Opcode::sub:
        return static_cast<T>(static_cast<U>(a) - static_cast<U>(b));
      case Opcode::mul:
        return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
      case Opcode::div:
      case Opcode::rem:
        if (b == 0) return poison<T>();
        if constexpr (std::signed_integral<T>) {
          if (a == std::numeric_limits<T>::min() && b == -1) return poison<T>();
        }
        return op == Opcode::div ? a / b : a % b;
      default:
        return op == Opcode::min ? (b < a ? b : a) : (a < b ? b : a);
    }
  }
}

template <typename T>
T negate(T v) {
  if constexpr (std::floating_point<T>) {
    return -v;
  } else {
    return static_cast<T>(Unsigned<T>{0} - static_cast<Unsigned<T>>(v));
  }
}

template <typename T>
T absolute(T v) {
  if constexpr (std::floating_point<T>) {
    return std::fabs(v);
  } else {
    return v < 0 ? negate(v) : v;
  }
}

// An f32 quotient or root as a device has it that is off by some units in the last place.
template <typename T>
T inexact(T v, int units) {
  if constexpr (std::same_as<T, float>) {
    if (units == 0 || !std::isnormal(v)) return v;
    const auto bits = std::bit_cast<uint32_t>(v);
    const auto choices = static_cast<uint32_t>(2 * units + 1);
    const uint32_t off = (bits * 0x9e3779b9u >> 16) % choices;
    return std::bit_cast<float>(bits + off - static_cast<uint32_t>(units));
  }
  return v;
}

}  // namespace

uint64_t combine(Opcode op, ir::Type t, uint64_t a, uint64_t b, const InterpreterOptions& options) {
  uint64_t result = 0;
  with_number(t, [&](auto tag) {
    using T = decltype(tag);
    const bool flushes = options.flush_subnormals;
    const T x = settle(from_bits<T>(a), flushes), y = settle(from_bits<T>(b), flushes);
    result = to_bits(settle(arithmetic(op, x, y), flushes));
  });
  return result;
}

namespace evaluations {
namespace {

template <typename F>
void unary(Execution& s, F f) {
  const bool flushes = s.m.options.flush_subnormals;
  const uint64_t* in = s.arg(0);
  with_number(s.inst.type, [&](auto tag) {
    using T = decltype(tag);
    s.each([&](uint32_t i) {
      const T v = settle(from_bits<T>(in[i]), flushes);
      return to_bits<T>(settle<T>(f(v), flushes));
    });
  });
}

// f for floats; the verifier lets nothing else pass.
template <typename F>
void unary_float(Execution& s, F f) {
  unary(s, [f](auto v) {
    if constexpr (std::floating_point<decltype(v)>) return f(v);
    return v;
  });
}

template <Opcode op>
void binary(Execution& s) {
  const bool flushes = s.m.options.flush_subnormals;
  const int error = op == Opcode::div ? s.m.options.f32_quotient_error : 0;
  const uint64_t *a = s.arg(0), *b = s.arg(1);
  with_number(s.inst.type, [&](auto tag) {
    using T = decltype(tag);
    s.each([&](uint32_t i) {
      const T x = settle(from_bits<T>(a[i]), flushes);
      const T y = settle(from_bits<T>(b[i]), flushes);
      return to_bits<T>(settle(inexact(arithmetic(op, x, y), error), flushes));
    });
  });
}

}  // namespace

void neg(Execution& s) {
  unary(s, [](auto v) { return negate(v); });
}
void abs(Execution& s) {
  unary(s, [](auto v) { return absolute(v); });
}
void sqrt(Execution& s) {
  const int error = s.m.options.f32_quotient_error;
  unary_float(s, [error](auto v) { return inexact(std::sqrt(v), error); });
}
void floor(Execution& s) {
  unary_float(s, [](auto v) { return std::floor(v); });
}
void ceil(Execution& s) {
  unary_float(s, [](auto v) { return std::ceil(v); });
}
void trunc(Execution& s) {
  unary_float(s, [](auto v) { return std::trunc(v); });
}
void exp2(Execution& s) {
  unary_float(s, [](auto v) { return std::exp2(v); });
}
// The rounding mode of the host.
void round_even(Execution& s) {
  unary_float(s, [](auto v) { return std::nearbyint(v); });
}

void add(Execution& s) { binary<Opcode::add>(s); }
void sub(Execution& s) { binary<Opcode::sub>(s); }
void mul(Execution& s) { binary<Opcode::mul>(s); }
void div(Execution& s) { binary<Opcode::div>(s); }
void rem(Execution& s) { binary<Opcode::rem>(s); }
void min(Execution& s) { binary<Opcode::min>(s); }
void max(Execution& s) { binary<Opcode::max>(s); }

void mul_hi(Execution& s) {
  const uint64_t *a = s.arg(0), *b = s.arg(1);
  if (is_signed(s.inst.type)) {
    s.each([a, b](uint32_t i) {
      const int64_t x = from_bits<int32_t>(a[i]), y = from_bits<int32_t>(b[i]);
      return static_cast<uint64_t>(x * y) >> 32;
    });
  } else {
    s.each([a, b](uint32_t i) { return a[i] * b[i] >> 32; });
  }
}

void fma(Execution& s) {
  const bool flushes = s.m.options.flush_subnormals, fused = s.m.options.fused_fma;
  const uint64_t *a = s.arg(0), *b = s.arg(1), *c = s.arg(2);
  with_number(s.inst.type, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::floating_point<T>) {
      s.each([&](uint32_t i) {
        const T x = settle(from_bits<T>(a[i]), flushes);
        const T y = settle(from_bits<T>(b[i]), flushes);
        const T z = settle(from_bits<T>(c[i]), flushes);
        const T r = fused ? std::fma(x, y, z) : settle<T>(x * y, flushes) + z;
        return to_bits<T>(settle(r, flushes));
      });
    }
  });
}

}  // namespace evaluations
}  // namespace nxv::testing
