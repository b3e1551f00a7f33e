#include "testing/reference/pointwise.h"

#include <bit>
#include <cmath>
#include <string>

#include "base/error.h"
#include "testing/reference/functions.h"
#include "testing/reference/number.h"

namespace nxv::reference {
namespace {

[[noreturn]] void fail(Op op, const std::string& what) {
  throw Error(status_of(info(op).fault), std::string(name(op)) + ": " + what);
}

// ---- Integers, modulo 2^64; the caller's type cuts the result off ----

uint64_t quotient(Op op, Integer a, Integer b) {
  if (b.magnitude == 0) fail(op, "integer division by zero");
  return Integer{a.negative != b.negative, a.magnitude / b.magnitude}.low_bits();
}

uint64_t remainder(Op op, Integer a, Integer b) {
  if (b.magnitude == 0) fail(op, "integer division by zero");
  return Integer{a.negative, a.magnitude % b.magnitude}.low_bits();  // sign of the dividend
}

uint64_t integer_power(Op op, Integer base, Integer exponent) {
  if (exponent.negative)
    fail(op, "negative integer exponent -" + std::to_string(exponent.magnitude));
  uint64_t result = 1;
  uint64_t square = base.low_bits();
  for (uint64_t e = exponent.magnitude; e != 0; e >>= 1, square *= square) {
    if (e & 1) result *= square;
  }
  return result;
}

uint64_t left_shift(Op op, Integer value, Integer amount) {
  if (amount.negative) fail(op, "cannot left shift by -" + std::to_string(amount.magnitude));
  return amount.magnitude >= 64 ? 0 : value.low_bits() << amount.magnitude;
}

// Rounds towards minus infinity: the sign fills in from the left.
uint64_t right_shift(Op op, Integer value, Integer amount) {
  if (amount.negative) fail(op, "cannot right shift by -" + std::to_string(amount.magnitude));
  if (amount.magnitude >= 64) return value.negative ? ~uint64_t{0} : 0;
  if (!value.negative) return value.magnitude >> amount.magnitude;
  return ~((value.magnitude - 1) >> amount.magnitude);
}

uint64_t own_bits(const Scalar& s) {
  const int width = bits(s.dtype);
  return width == 64 ? s.lo : s.lo & ((uint64_t{1} << width) - 1);
}

Scalar integer_unary(Op op, DType out, const Scalar& a) {
  const Integer n = to_integer(a);
  switch (op) {
    case Op::abs:
      return make_scalar(out, n.magnitude);
    case Op::negate:
      return make_scalar(out, ~n.low_bits() + 1);
    case Op::sign:
      return make_scalar(out, int64_t{n.negative ? -1 : n.magnitude != 0});
    case Op::bitwise_not:
      return make_scalar(out, ~n.low_bits());
    case Op::population_count:
      return make_scalar(out, int64_t{std::popcount(own_bits(a))});
    case Op::count_leading_zeros:
      return make_scalar(out, int64_t{std::countl_zero(own_bits(a)) - (64 - bits(a.dtype))});
    default:
      return convert(a, out);  // ceil, floor, round
  }
}

Scalar integer_binary(Op op, DType out, Integer a, Integer b) {
  const auto wrapped = [&](uint64_t low_bits) { return make_scalar(out, low_bits); };
  switch (op) {
    case Op::add:
      return wrapped(a.low_bits() + b.low_bits());
    case Op::subtract:
      return wrapped(a.low_bits() - b.low_bits());
    case Op::multiply:
      return wrapped(a.low_bits() * b.low_bits());
    case Op::quotient:
      return wrapped(quotient(op, a, b));
    case Op::remainder:
      return wrapped(remainder(op, a, b));
    case Op::pow:
      return wrapped(integer_power(op, a, b));
    case Op::bitwise_and:
      return wrapped(a.low_bits() & b.low_bits());
    case Op::bitwise_or:
      return wrapped(a.low_bits() | b.low_bits());
    case Op::bitwise_xor:
      return wrapped(a.low_bits() ^ b.low_bits());
    case Op::left_shift:
      return wrapped(left_shift(op, a, b));
    case Op::right_shift:
      return wrapped(right_shift(op, a, b));
    default:
      throw Error(Status::invalid_argument,
                  std::string(name(op)) + " of integers gives no integer");
  }
}

double real_binary(Op op, double a, double b) {
  switch (op) {
    case Op::add:
      return a + b;
    case Op::subtract:
      return a - b;
    case Op::multiply:
      return a * b;
    case Op::divide:
      return a / b;
    case Op::remainder:
      return std::fmod(a, b);
    case Op::pow:
      return std::pow(a, b);
    case Op::atan2:
      return std::atan2(a, b);
    default:
      throw Error(Status::invalid_argument, std::string(name(op)) + " needs integer operands");
  }
}

Complex complex_binary(Op op, Complex a, Complex b) {
  switch (op) {
    case Op::add:
      return a + b;
    case Op::subtract:
      return a - b;
    case Op::multiply:
      return multiply(a, b);
    case Op::divide:
      return divide(a, b);
    case Op::pow:
      return power(a, b);
    default:
      throw Error(Status::invalid_argument, std::string(name(op)) + " refuses complex operands");
  }
}

// What erf_inv takes for 1 and -1 in types to which 1 - 2^-11, a bound of uniform numbers that Nx
// has for 16 bits, is 1: their neighbours.
Scalar inside_of_one(const Scalar& x) {
  const bool rounds =
      is_real_float(x.dtype) && nxv::to_double(make_scalar(x.dtype, 1 - 0x1p-11)) == 1;
  if (!rounds || std::fabs(nxv::to_double(x)) != 1) return x;
  return {x.dtype, x.lo - 1, 0};
}

// ---- Operations by how they treat their operands ----

// In the numbers of the output type.
Scalar unary(Op op, DType out, const Scalar& a) {
  if (is_complex(out)) return make_scalar(out, complex_function(op, to_complex_double(a)));
  if (is_complex(a.dtype)) return make_scalar(out, magnitude(to_complex_double(a)));  // abs
  if (is_integer(out)) return integer_unary(op, out, a);
  if (op == Op::erf_inv)
    return make_scalar(out, real_function(op, nxv::to_double(inside_of_one(a))));
  return make_scalar(out, real_function(op, nxv::to_double(a)));
}

Scalar binary(Op op, DType out, const Scalar& a, const Scalar& b) {
  if (is_complex(out)) {
    return make_scalar(out, complex_binary(op, to_complex_double(a), to_complex_double(b)));
  }
  if (is_integer(out)) return integer_binary(op, out, to_integer(a), to_integer(b));
  return make_scalar(out, real_binary(op, nxv::to_double(a), nxv::to_double(b)));
}

Scalar reinterpret(DType out, const Scalar& a) {
  if (is_integer(out)) return make_scalar(out, a.lo);
  if (out == DType::c128) return {out, a.lo, a.hi};
  return {out, a.lo & (~uint64_t{0} >> (64 - bits(out))), 0};
}

Scalar bounded_index(DType out, const Scalar& index, const Scalar& size) {
  const Integer i = to_integer(index);
  if (i.negative || i.magnitude >= to_integer(size).magnitude) {
    throw Error(Status::out_of_bounds, "index is out of bounds");
  }
  return make_scalar(out, i.magnitude);
}

// NaN wins; of equal operands (both zeros), the first.
Scalar extremum(DType out, const Scalar& a, const Scalar& b, bool want_greater) {
  const auto order = compare(b, a);
  if (order == std::partial_ordering::unordered) return convert(is_nan(a) ? a : b, out);
  const bool second = want_greater ? order > 0 : order < 0;
  return convert(second ? b : a, out);
}

// The upper bound wins over a larger lower one, NaN over all.
Scalar clip(DType out, const Scalar& x, const Scalar& low, const Scalar& high) {
  for (const Scalar& s : {x, low, high}) {
    if (is_nan(s)) return convert(s, out);
  }
  const Scalar& raised = compare(x, low) > 0 ? x : low;
  return convert(compare(raised, high) < 0 ? raised : high, out);
}

// Of a real number the imaginary part is -0, or +0 when the number is not finite.
Scalar conjugate(DType out, const Scalar& a) {
  const Complex z = to_complex_double(a);
  if (is_complex(a.dtype)) return make_scalar(out, std::conj(z));
  return make_scalar(out, Complex(z.real(), std::isfinite(z.real()) ? -0.0 : 0.0));
}

// The parts are copied: they are exact, and a NaN stays in its part.
Scalar part(DType out, const Scalar& a, bool imaginary) {
  const Complex z = to_complex_double(a);
  if (!is_complex(a.dtype)) return imaginary ? make_scalar(out, int64_t{0}) : convert(a, out);
  return make_scalar(out, imaginary ? z.imag() : z.real());
}

}  // namespace

Scalar pointwise(Op op, DType out, std::span<const Scalar> in) {
  const auto truth = [out](bool b) { return make_scalar(out, int64_t{b}); };
  switch (op) {
    case Op::cast:
      return convert(in[0], out);
    case Op::abs:
    case Op::negate:
    case Op::sign:
    case Op::ceil:
    case Op::floor:
    case Op::round:
    case Op::sqrt:
    case Op::rsqrt:
    case Op::cbrt:
    case Op::exp:
    case Op::expm1:
    case Op::log:
    case Op::log1p:
    case Op::sigmoid:
    case Op::sin:
    case Op::cos:
    case Op::tan:
    case Op::asin:
    case Op::acos:
    case Op::atan:
    case Op::sinh:
    case Op::cosh:
    case Op::tanh:
    case Op::asinh:
    case Op::acosh:
    case Op::atanh:
    case Op::erf:
    case Op::erfc:
    case Op::erf_inv:
    case Op::bitwise_not:
    case Op::population_count:
    case Op::count_leading_zeros:
      return unary(op, out, in[0]);
    case Op::conjugate:
      return conjugate(out, in[0]);
    case Op::is_nan:
      return truth(is_nan(in[0]));
    case Op::is_infinity:
      return truth(is_infinity(in[0]));
    case Op::logical_not:
      return truth(!is_true(in[0]));
    case Op::real:
      return part(out, in[0], false);
    case Op::imag:
      return part(out, in[0], true);
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::quotient:
    case Op::remainder:
    case Op::pow:
    case Op::atan2:
    case Op::bitwise_and:
    case Op::bitwise_or:
    case Op::bitwise_xor:
    case Op::left_shift:
    case Op::right_shift:
      return binary(op, out, in[0], in[1]);
    case Op::min:
      return extremum(out, in[0], in[1], false);
    case Op::max:
      return extremum(out, in[0], in[1], true);
    case Op::equal:
      return truth(equal(in[0], in[1]));
    case Op::not_equal:
      return truth(!equal(in[0], in[1]));
    case Op::less:
      return truth(compare(in[0], in[1]) < 0);
    case Op::less_equal:
      return truth(compare(in[0], in[1]) <= 0);
    case Op::greater:
      return truth(compare(in[0], in[1]) > 0);
    case Op::greater_equal:
      return truth(compare(in[0], in[1]) >= 0);
    case Op::logical_and:
      return truth(is_true(in[0]) && is_true(in[1]));
    case Op::logical_or:
      return truth(is_true(in[0]) || is_true(in[1]));
    case Op::logical_xor:
      return truth(is_true(in[0]) != is_true(in[1]));
    case Op::select:
      return convert(is_true(in[0]) ? in[1] : in[2], out);
    case Op::clip:
      return clip(out, in[0], in[1], in[2]);
    case Op::bitcast:
      return reinterpret(out, in[0]);
    case Op::bounded_index:
      return bounded_index(out, in[0], in[1]);
    default:
      break;
  }
  throw Error(Status::internal, std::string(name(op)) + " is not a pointwise operation");
}

}  // namespace nxv::reference
