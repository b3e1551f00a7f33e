#include "graph/integer_arithmetic.h"

#include <algorithm>
#include <array>
#include <bit>
#include <compare>

namespace nxv {
namespace {

// Any value of any integer type: sign and magnitude. Zero is never negative.
struct Integer {
  bool negative = false;
  uint64_t magnitude = 0;

  explicit Integer(const Scalar& s) {
    const uint64_t low = is_signed_int(s.dtype) ? static_cast<uint64_t>(to_int64(s)) : own(s);
    negative = is_signed_int(s.dtype) && static_cast<int64_t>(low) < 0;
    magnitude = negative ? ~low + 1 : low;
  }
  Integer(bool is_negative, uint64_t size) : negative(is_negative && size != 0), magnitude(size) {}

  // The bits of the type's width.
  static uint64_t own(const Scalar& s) {
    const int width = bits(s.dtype);
    return width == 64 ? s.lo : s.lo & ((uint64_t{1} << width) - 1);
  }
  uint64_t low_bits() const { return negative ? ~magnitude + 1 : magnitude; }
  bool is_zero() const { return magnitude == 0; }
  std::strong_ordering operator<=>(const Integer& other) const {
    if (negative != other.negative) return other.negative <=> negative;
    return negative ? other.magnitude <=> magnitude : magnitude <=> other.magnitude;
  }
  bool operator==(const Integer&) const = default;
};

uint64_t power(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

// Rounds towards minus infinity.
uint64_t shift_right(const Integer& a, uint64_t amount) {
  if (amount >= 64) return a.negative ? ~uint64_t{0} : 0;
  return a.negative ? ~((a.magnitude - 1) >> amount) : a.magnitude >> amount;
}

// The low 64 bits of the result.
std::optional<uint64_t> unary(Op op, const Integer& a, const Scalar& stored) {
  switch (op) {
    case Op::cast:
    case Op::ceil:
    case Op::floor:
    case Op::round:
    case Op::real:
      return a.low_bits();
    case Op::abs:
      return a.magnitude;
    case Op::negate:
      return ~a.low_bits() + 1;
    case Op::sign:
      return a.negative ? ~uint64_t{0} : uint64_t{!a.is_zero()};
    case Op::logical_not:
      return uint64_t{a.is_zero()};
    case Op::imag:
    case Op::is_nan:
    case Op::is_infinity:
      return 0;
    case Op::bitwise_not:
      return ~a.low_bits();
    case Op::population_count:
      return static_cast<uint64_t>(std::popcount(Integer::own(stored)));
    case Op::count_leading_zeros:
      return static_cast<uint64_t>(std::countl_zero(Integer::own(stored)) -
                                   (64 - bits(stored.dtype)));
    default:
      return std::nullopt;
  }
}

std::optional<uint64_t> binary(Op op, const Integer& a, const Integer& b) {
  const auto truth = [](bool is_true) { return uint64_t{is_true}; };
  switch (op) {
    case Op::add:
      return a.low_bits() + b.low_bits();
    case Op::subtract:
      return a.low_bits() - b.low_bits();
    case Op::multiply:
      return a.low_bits() * b.low_bits();
    case Op::quotient:
      if (b.is_zero()) return std::nullopt;
      return Integer(a.negative != b.negative, a.magnitude / b.magnitude).low_bits();
    case Op::remainder:
      if (b.is_zero()) return std::nullopt;
      return Integer(a.negative, a.magnitude % b.magnitude).low_bits();
    case Op::pow:
      if (b.negative) return std::nullopt;
      return power(a.low_bits(), b.magnitude);
    case Op::min:
      return std::min(a, b).low_bits();
    case Op::max:
      return std::max(a, b).low_bits();
    case Op::equal:
      return truth(a == b);
    case Op::not_equal:
      return truth(a != b);
    case Op::less:
      return truth(a < b);
    case Op::less_equal:
      return truth(a <= b);
    case Op::greater:
      return truth(a > b);
    case Op::greater_equal:
      return truth(a >= b);
    case Op::logical_and:
      return truth(!a.is_zero() && !b.is_zero());
    case Op::logical_or:
      return truth(!a.is_zero() || !b.is_zero());
    case Op::logical_xor:
      return truth(a.is_zero() != b.is_zero());
    case Op::bitwise_and:
      return a.low_bits() & b.low_bits();
    case Op::bitwise_or:
      return a.low_bits() | b.low_bits();
    case Op::bitwise_xor:
      return a.low_bits() ^ b.low_bits();
    case Op::left_shift:
      if (b.negative) return std::nullopt;
      return b.magnitude >= 64 ? 0 : a.low_bits() << b.magnitude;
    case Op::right_shift:
      if (b.negative) return std::nullopt;
      return shift_right(a, b.magnitude);
    default:
      return std::nullopt;
  }
}

std::optional<uint64_t> ternary(Op op, const Integer& a, const Integer& b, const Integer& c) {
  if (op == Op::select) return (a.is_zero() ? c : b).low_bits();
  if (op == Op::clip) return std::min(std::max(a, b), c).low_bits();
  return std::nullopt;
}

std::optional<uint64_t> low_bits_of(Op op, std::span<const Scalar> in) {
  switch (in.size()) {
    case 1:
      return unary(op, Integer(in[0]), in[0]);
    case 2:
      return binary(op, Integer(in[0]), Integer(in[1]));
    case 3:
      return ternary(op, Integer(in[0]), Integer(in[1]), Integer(in[2]));
    default:
      return std::nullopt;
  }
}

std::optional<Scalar> exact_cast(DType result, const Scalar& operand) {
  constexpr uint64_t kExact = uint64_t{1} << 53;
  const Integer n(operand);
  if (n.magnitude > kExact) return std::nullopt;
  const double value = to_double(operand);
  const Scalar out = make_scalar(result, value);
  return to_double(out) == value ? std::optional(out) : std::nullopt;
}

}  // namespace

std::optional<Scalar> evaluate_integers(Op op, DType result, std::span<const Scalar> operands) {
  for (const Scalar& s : operands) {
    if (!is_integer(s.dtype)) return std::nullopt;
  }
  if (op == Op::cast && is_real_float(result)) return exact_cast(result, operands[0]);
  if (!is_integer(result)) return std::nullopt;
  const std::optional<uint64_t> low = low_bits_of(op, operands);
  return low ? std::optional(make_scalar(result, *low)) : std::nullopt;
}

bool is_integer_arithmetic(Op op, DType result, std::span<const DType> operands) {
  std::array<Scalar, 3> ones;
  if (operands.size() > ones.size()) return false;
  for (size_t i = 0; i < operands.size(); ++i) ones[i] = make_scalar(operands[i], int64_t{1});
  return evaluate_integers(op, result, std::span(ones).first(operands.size())).has_value();
}

}  // namespace nxv
