#include "ir/ops/emit_complex.h"

#include <array>

#include "base/error.h"
#include "ir/complex/complex.h"
#include "ir/math/cast.h"
#include "ir/math/math.h"
#include "ir/ops/large_integers.h"

namespace nxv::ir {
namespace {

using complex::Complex;
using complex::Context;

// What moves or rounds once needs no wider parts.
Number conjugate(const Number& a, DType out, const math::MathOptions& options) {
  const Number x = cast(a, out, options);
  if (is_complex(a.dtype)) return {out, x.re, math::negate(x.im)};
  // A finite real number gets -0.0, any other real number 0.0, as Nx has it.
  Builder& b = x.re.builder();
  const Value finite = !(math::is_nan(x.re) | math::is_infinity(x.re));
  return {out, x.re, b.select(finite, math::negate(x.im), x.im)};
}

// Rounded once: f32 does not hold all integers.
Number sum(Op op, const Number& a, const Number& b, DType out, const math::MathOptions& options) {
  const bool has_integer = is_large_integer(a.dtype) || is_large_integer(b.dtype);
  const DType computed = options.f64 && has_integer ? DType::c128 : out;
  const Number x = cast(a, computed, options), y = cast(b, computed, options);
  Number z = op == Op::add ? Number{computed, x.re + y.re, x.im + y.im}
                           : Number{computed, x.re - y.re, x.im - y.im};
  if (has_integer && computed == DType::c64) {
    const auto real = [](const Number& n) { return Number{to_real(n.dtype), n.re, {}}; };
    z.re = emit_of_integers(op, DType::f32, std::array{real(a), real(b)}, options);
  }
  return cast(z, out, options);
}

Complex unary(Op op, const Complex& z, const Context& c) {
  switch (op) {
    case Op::sqrt:
      return complex::sqrt(z, c);
    case Op::rsqrt:
      return complex::rsqrt(z, c);
    case Op::cbrt:
      return complex::cbrt(z, c);
    case Op::exp:
      return complex::exp(z, c);
    case Op::expm1:
      return complex::expm1(z, c);
    case Op::log:
      return complex::log(z, c);
    case Op::log1p:
      return complex::log1p(z, c);
    case Op::sigmoid:
      return complex::sigmoid(z, c);
    case Op::sin:
      return complex::sin(z, c);
    case Op::cos:
      return complex::cos(z, c);
    case Op::tan:
      return complex::tan(z, c);
    case Op::asin:
      return complex::asin(z, c);
    case Op::acos:
      return complex::acos(z, c);
    case Op::atan:
      return complex::atan(z, c);
    case Op::sinh:
      return complex::sinh(z, c);
    case Op::cosh:
      return complex::cosh(z, c);
    case Op::tanh:
      return complex::tanh(z, c);
    case Op::asinh:
      return complex::asinh(z, c);
    case Op::acosh:
      return complex::acosh(z, c);
    case Op::atanh:
      return complex::atanh(z, c);
    default:
      throw Error(Status::unsupported,
                  std::string(name(op)) + " is not defined for complex numbers");
  }
}

// In the base type of the context.
Complex operand(const Number& x, const Context& c) {
  if (is_integer(x.dtype)) return {math::int_to_float(x.re, c.base), c.zero()};
  return {widen(x.re, c.base), is_complex(x.dtype) ? widen(x.im, c.base) : c.zero()};
}

// What the real part of an operand lacks in a base of f32.
Value rest_of(const Number& x, const Context& c) {
  return c.base == kF32 && is_large_integer(x.dtype) ? argument_of(x).rest : Value();
}

Complex binary(Op op, const Number& a, const Number& b, const Context& c) {
  const Complex x = operand(a, c), y = operand(b, c);
  switch (op) {
    case Op::multiply:
      return complex::multiply(x, y);
    case Op::divide:
      return complex::divide(x, y, c);
    case Op::pow:
      return complex::pow(x, y, c, rest_of(a, c), rest_of(b, c));
    default:
      throw Error(Status::unsupported,
                  std::string(name(op)) + " is not defined for complex numbers");
  }
}

}  // namespace

Number emit_complex(Op op, DType out, std::span<const Number> args,
                    const math::MathOptions& options) {
  const Number& a = args[0];
  Builder& b = a.re.builder();
  const Type part = compute_type(out);
  switch (op) {
    case Op::real:
      return {out, a.re, {}};
    case Op::imag:
      return {out, a.im, {}};
    case Op::conjugate:
      return conjugate(a, out, options);
    case Op::negate:
      return {out, math::negate(a.re), math::negate(a.im)};
    case Op::sign:
      // Complex numbers have no order: Nx answers 1 for each of them.
      return {out, b.number(part, 1), b.zero(part)};
    case Op::add:
    case Op::subtract:
      return sum(op, a, args[1], out, options);
    default:
      break;
  }
  const Context c(b, part, options);
  if (op == Op::abs) return {out, wrap(complex::abs(operand(a, c), c), out), {}};
  const Complex z = args.size() == 1 ? unary(op, operand(a, c), c) : binary(op, a, args[1], c);
  return {out, wrap(z.re, out), wrap(z.im, out)};
}

}  // namespace nxv::ir
