// Functions of complex numbers, emitted as straight-line code over two parts.
//
// Branch cuts and special values are those of Elixir's `complex` package, which Nx computes with:
// the inverse functions follow their textbook formulas, such as acosh z = log(z + sqrt(z^2 - 1)),
// and an imaginary part of -0 lies on the upper side of a cut. Finite arguments give no overflow
// but where the result itself has it. Errors are at most 4 units of the last place of |result|.
#pragma once

#include "ir/math/kernels.h"

namespace nxv::ir::complex {

struct Complex {
  Value re, im;
};

// How numbers of one type are computed: their parts are widened to `base` (f64 for c64, where the
// device has it) and rounded once at the end.
struct Context {
  Context(Builder& builder, Type part, const math::MathOptions& options);

  Builder& b;
  const Type part;  // that arguments come in
  const math::MathOptions options;
  const math::Arithmetic arithmetic;
  const Type base;

  Value zero() const { return b.zero(base); }  // that arithmetic may use
  Value number(double v) const { return b.number(base, v); }
  Value nan() const;
  Value infinity() const;
  Value is_finite(Value x) const;
  Value is_finite(const Complex& z) const { return is_finite(z.re) & is_finite(z.im); }
  Complex both_nan() const { return {nan(), nan()}; }
  Complex select(Value condition, const Complex& a, const Complex& b) const;
  // Beyond this, e^x times any sine still tells zero, finite and infinite results apart.
  double exponent_limit() const { return arithmetic.pick(700.0, 110.0, 1100.0); }
  // sin and cos of an argument's part, or of half of it.
  math::SinCos sin_cos(Value argument) const;
};

// Arithmetic. As the package has it, an infinite part meets the other factor's zero as NaN.
Complex multiply(const Complex& a, const Complex& b);
Complex divide(const Complex& a, const Complex& b, const Context& c);

// Roots and absolute value.
Value abs(const Complex& z, const Context& c);
Complex sqrt(const Complex& z, const Context& c);
Complex rsqrt(const Complex& z, const Context& c);
Complex cbrt(const Complex& z, const Context& c);

Complex exp(const Complex& z, const Context& c);
Complex expm1(const Complex& z, const Context& c);
Complex sigmoid(const Complex& z, const Context& c);
Complex log(const Complex& z, const Context& c);
Complex log1p(const Complex& z, const Context& c);
// `base_rest`, `exponent_rest`: what the real parts of integers lack as f32.
Complex pow(const Complex& base, const Complex& exponent, const Context& c, Value base_rest = {},
            Value exponent_rest = {});

Complex sin(const Complex& z, const Context& c);
Complex cos(const Complex& z, const Context& c);
Complex tan(const Complex& z, const Context& c);
Complex sinh(const Complex& z, const Context& c);
Complex cosh(const Complex& z, const Context& c);
Complex tanh(const Complex& z, const Context& c);

Complex asin(const Complex& z, const Context& c);
Complex acos(const Complex& z, const Context& c);
Complex atan(const Complex& z, const Context& c);
Complex asinh(const Complex& z, const Context& c);
Complex acosh(const Complex& z, const Context& c);
Complex atanh(const Complex& z, const Context& c);

}  // namespace nxv::ir::complex
