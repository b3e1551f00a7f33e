#include "testing/interpreter/arithmetic.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <concepts>
#include <limits>

#include "base/error.h"
#include "base/scalar.h"

namespace nxv::testing {
namespace {

using ir::Opcode;
using ir::Scalar;
using ir::Type;

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

// Calls f with a value of the C++ type.
template <typename F>
void with_number(Type t, F f) {
  switch (t.scalar) {
    case Scalar::u32:
      return f(uint32_t{});
    case Scalar::s32:
      return f(int32_t{});
    case Scalar::u64:
      return f(uint64_t{});
    case Scalar::s64:
      return f(int64_t{});
    case Scalar::f32:
      return f(float{});
    case Scalar::f64:
      return f(double{});
    default:
      throw Error(Status::internal, "the interpreter computes with no " + to_string(t));
  }
}

template <typename F>
void with_any(Type t, F f) {
  t.scalar == Scalar::boolean ? f(bool{}) : with_number(t, f);
}

float flush(float v) { return std::fpclassify(v) == FP_SUBNORMAL ? std::copysign(0.0f, v) : v; }

// An operand or result of arithmetic.
template <typename T>
T settle(T v, bool flushes) {
  if constexpr (std::same_as<T, float>) {
    return flushes ? flush(v) : v;
  } else {
    return v;
  }
}

template <typename T>
using Unsigned = std::make_unsigned_t<T>;

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

// Rounding mode of the host: to nearest even.
template <typename T>
T rounding(Opcode op, T v) {
  switch (op) {
    case Opcode::sqrt:
      return std::sqrt(v);
    case Opcode::floor:
      return std::floor(v);
    case Opcode::ceil:
      return std::ceil(v);
    case Opcode::trunc:
      return std::trunc(v);
    default:
      return std::nearbyint(v);
  }
}

template <typename T>
bool compare(Opcode op, T a, T b) {
  switch (op) {
    case Opcode::eq:
      return a == b;
    case Opcode::ne:
      return a != b;
    case Opcode::lt:
      return a < b;
    case Opcode::le:
      return a <= b;
    case Opcode::gt:
      return a > b;
    default:
      return a >= b;
  }
}

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

class Evaluator {
 public:
  Evaluator(const Evaluation& e, bool flushes, bool fused)
      : e_(e), count_(e.type.lanes * e.width), flushes_(flushes), fused_(fused) {}

  void run() {
    switch (e_.op) {
      case Opcode::neg:
        return unary([](auto v) { return negate(v); });
      case Opcode::abs:
        return unary([](auto v) { return absolute(v); });
      case Opcode::sqrt:
      case Opcode::floor:
      case Opcode::ceil:
      case Opcode::trunc:
      case Opcode::round_even:
        return unary([op = e_.op](auto v) {
          if constexpr (std::floating_point<decltype(v)>) return rounding(op, v);
          return v;
        });
      case Opcode::add:
        return binary<Opcode::add>();
      case Opcode::sub:
        return binary<Opcode::sub>();
      case Opcode::mul:
        return binary<Opcode::mul>();
      case Opcode::div:
        return binary<Opcode::div>();
      case Opcode::rem:
        return binary<Opcode::rem>();
      case Opcode::min:
        return binary<Opcode::min>();
      case Opcode::max:
        return binary<Opcode::max>();
      case Opcode::mul_hi:
        return mul_hi();
      case Opcode::fma:
        return fma();
      case Opcode::bit_and:
        return bits([](uint64_t a, uint64_t b) { return a & b; });
      case Opcode::bit_or:
        return bits([](uint64_t a, uint64_t b) { return a | b; });
      case Opcode::bit_xor:
        return bits([](uint64_t a, uint64_t b) { return a ^ b; });
      case Opcode::bit_not: {
        const uint64_t mask = ir::bytes(element(e_.type)) == 8 ? ~0ull : 0xffffffffull;
        return bits([mask](uint64_t a, uint64_t) { return ~a & mask; });
      }
      case Opcode::shl:
      case Opcode::shr:
        return shift();
      case Opcode::clz:
      case Opcode::popcount:
        return count_bits();
      case Opcode::eq:
        return comparison<Opcode::eq>();
      case Opcode::ne:
        return comparison<Opcode::ne>();
      case Opcode::lt:
        return comparison<Opcode::lt>();
      case Opcode::le:
        return comparison<Opcode::le>();
      case Opcode::gt:
        return comparison<Opcode::gt>();
      case Opcode::ge:
        return comparison<Opcode::ge>();
      case Opcode::logical_and:
        return bits([](uint64_t a, uint64_t b) { return a & b; });
      case Opcode::logical_or:
        return bits([](uint64_t a, uint64_t b) { return a | b; });
      case Opcode::logical_not:
        return bits([](uint64_t a, uint64_t) { return a ^ 1; });
      case Opcode::select:
        return select();
      case Opcode::convert:
        return convert();
      case Opcode::bitcast:
        return bitcast();
      case Opcode::pack_half:
        return pack_half();
      case Opcode::pack:
        for (uint32_t lane = 0; lane < e_.type.lanes; ++lane) copy(lane, arg(lane));
        return;
      case Opcode::extract:
        return copy(0, arg(0) + e_.imm * e_.width);
      default:
        throw Error(Status::internal, "not a pure operation");
    }
  }

 private:
  const uint64_t* arg(uint32_t i) const { return e_.args[i].lanes; }
  Type arg_type(uint32_t i) const { return e_.args[i].type; }

  void copy(uint32_t lane, const uint64_t* from) {
    std::copy_n(from, e_.width, e_.out + lane * e_.width);
  }

  // Position in an operand that may have one lane for all lanes of the result.
  uint32_t spread(uint32_t operand, uint32_t i) const {
    return arg_type(operand).lanes == 1 ? i % e_.width : i;
  }

  template <typename F>
  void unary(F f) {
    with_number(e_.type, [&](auto tag) {
      using T = decltype(tag);
      for (uint32_t i = 0; i < count_; ++i) {
        const T v = settle(from_bits<T>(arg(0)[i]), flushes_);
        e_.out[i] = to_bits<T>(settle<T>(f(v), flushes_));
      }
    });
  }

  template <Opcode op>
  void binary() {
    with_number(e_.type, [&](auto tag) {
      using T = decltype(tag);
      for (uint32_t i = 0; i < count_; ++i) {
        const T a = settle(from_bits<T>(arg(0)[i]), flushes_);
        const T b = settle(from_bits<T>(arg(1)[i]), flushes_);
        e_.out[i] = to_bits<T>(settle(arithmetic(op, a, b), flushes_));
      }
    });
  }

  void fma() {
    with_number(e_.type, [&](auto tag) {
      using T = decltype(tag);
      if constexpr (std::floating_point<T>) {
        for (uint32_t i = 0; i < count_; ++i) {
          const T a = settle(from_bits<T>(arg(0)[i]), flushes_);
          const T b = settle(from_bits<T>(arg(1)[i]), flushes_);
          const T c = settle(from_bits<T>(arg(2)[i]), flushes_);
          const T r = fused_ ? std::fma(a, b, c) : settle<T>(a * b, flushes_) + c;
          e_.out[i] = to_bits<T>(settle(r, flushes_));
        }
      }
    });
  }

  void mul_hi() {
    for (uint32_t i = 0; i < count_; ++i) {
      const auto a = static_cast<uint32_t>(arg(0)[i]);
      const auto b = static_cast<uint32_t>(arg(1)[i]);
      const uint64_t product = is_signed(e_.type)
                                   ? static_cast<uint64_t>(int64_t{static_cast<int32_t>(a)} *
                                                           int64_t{static_cast<int32_t>(b)})
                                   : uint64_t{a} * b;
      e_.out[i] = product >> 32;
    }
  }

  // Of one operand (twice) or two.
  template <typename F>
  void bits(F f) {
    const uint64_t* second = arg(1) ? arg(1) : arg(0);
    for (uint32_t i = 0; i < count_; ++i) e_.out[i] = f(arg(0)[i], second[i]);
  }

  void shift() {
    const bool left = e_.op == Opcode::shl;
    with_number(e_.type, [&](auto tag) {
      using T = decltype(tag);
      if constexpr (std::integral<T>) {
        for (uint32_t i = 0; i < count_; ++i) {
          const T v = from_bits<T>(arg(0)[i]);
          const uint64_t amount = arg(1)[spread(1, i)];
          const T r = amount >= 8 * sizeof(T) ? poison<T>()
                      : left ? static_cast<T>(static_cast<Unsigned<T>>(v) << amount)
                             : static_cast<T>(v >> amount);
          e_.out[i] = to_bits<T>(r);
        }
      }
    });
  }

  void count_bits() {
    const bool wide = ir::bytes(element(arg_type(0))) == 8;
    for (uint32_t i = 0; i < count_; ++i) {
      const uint64_t v = arg(0)[i];
      const int n =
          e_.op == Opcode::popcount ? std::popcount(v) : std::countl_zero(v) - (wide ? 0 : 32);
      e_.out[i] = static_cast<uint64_t>(n);
    }
  }

  template <Opcode op>
  void comparison() {
    with_any(arg_type(0), [&](auto tag) {
      using T = decltype(tag);
      for (uint32_t i = 0; i < count_; ++i) {
        const T a = settle(from_bits<T>(arg(0)[i]), flushes_);
        const T b = settle(from_bits<T>(arg(1)[i]), flushes_);
        e_.out[i] = compare(op, a, b);
      }
    });
  }

  void select() {
    for (uint32_t i = 0; i < count_; ++i) {
      e_.out[i] = arg(0)[spread(0, i)] ? arg(1)[i] : arg(2)[i];
    }
  }

  // A flushing device reads f32 subnormals as zero when it computes f64 from them.
  void convert() {
    const bool flushes = flushes_ && e_.type.scalar == Scalar::f64;
    with_any(arg_type(0), [&](auto from_tag) {
      using From = decltype(from_tag);
      with_any(e_.type, [&](auto to_tag) {
        using To = decltype(to_tag);
        for (uint32_t i = 0; i < count_; ++i) {
          const From v = settle(from_bits<From>(arg(0)[i]), flushes);
          e_.out[i] = to_bits<To>(converted<To>(v));
        }
      });
    });
  }

  // To nearest even.
  void pack_half() {
    for (uint32_t i = 0; i < e_.width; ++i) {
      std::array<uint16_t, 2> halves{};
      for (uint32_t lane = 0; lane < 2; ++lane) {
        const double v = from_bits<float>(arg(0)[lane * e_.width + i]);
        store_scalar(make_scalar(DType::f16, v), reinterpret_cast<std::byte*>(halves.data()), lane);
      }
      e_.out[i] = halves[0] | uint64_t{halves[1]} << 16;
    }
  }

  void bitcast() {
    const uint32_t from = arg_type(0).lanes;
    const uint32_t to = e_.type.lanes;
    const uint32_t w = e_.width;
    if (from == to) {
      std::copy_n(arg(0), count_, e_.out);
    } else if (from < to) {  // words of wide numbers, low half first
      for (uint32_t i = 0; i < from * w; ++i) {
        e_.out[2 * (i / w) * w + i % w] = arg(0)[i] & 0xffffffff;
        e_.out[(2 * (i / w) + 1) * w + i % w] = arg(0)[i] >> 32;
      }
    } else {
      for (uint32_t i = 0; i < to * w; ++i) {
        const uint64_t low = arg(0)[2 * (i / w) * w + i % w];
        e_.out[i] = low | arg(0)[(2 * (i / w) + 1) * w + i % w] << 32;
      }
    }
  }

  const Evaluation& e_;
  const uint32_t count_;
  const bool flushes_;
  const bool fused_;
};

}  // namespace

bool is_pure(Opcode op) { return op >= Opcode::neg && op <= Opcode::extract; }

void evaluate(const Evaluation& e, const InterpreterOptions& options) {
  Evaluator(e, options.flush_subnormals, options.fused_fma).run();
}

uint64_t combine(Opcode op, Type t, uint64_t a, uint64_t b, const InterpreterOptions& options) {
  uint64_t out = 0;
  const Evaluation e{op, element(t), 0, {Operand{&a, t}, Operand{&b, t}}, &out, 1};
  evaluate(e, options);
  return out;
}

}  // namespace nxv::testing
