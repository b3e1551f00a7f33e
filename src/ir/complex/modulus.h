// The absolute value of a complex number and what follows from it.
#pragma once

#include "ir/complex/complex.h"

namespace nxv::ir::complex {

// z = (x + i y) 2^exponent, scaled so that squares neither overflow nor lose |z| to underflow.
struct Scaled {
  Value x, y;
  Value larger, smaller;  // of |x| and |y|
  Value radius;           // sqrt(x^2 + y^2)
  Value exponent;         // s32, even; absent: 0

  // v * 2^exponent, v * 2^(exponent / 2)
  Value unscale(Value v) const;
  Value unscale_root(Value v) const;
};
Scaled scale(const Complex& z, const Context& c);

// The square root with a non-negative real part of a finite number, less the factor
// 2^(exponent / 2). The sign of a zero imaginary part passes on.
Complex scaled_root(const Scaled& of, const Context& c);
// The same with the factor.
Complex finite_root(const Complex& z, const Context& c);

}  // namespace nxv::ir::complex
