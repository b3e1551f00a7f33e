// The functions of the op table on double and std::complex<double>.
#pragma once

#include <complex>

#include "ops/op_table.h"

namespace nxv::reference {

using Complex = std::complex<double>;

// Any operation of one real number that gives a real number.
double real_function(Op op, double x);
// Any operation of one complex number that gives a complex number.
Complex complex_function(Op op, Complex z);

double erf_inv(double x);

// sqrt(re^2 + im^2); infinite when one part is not finite, unless both are NaN.
double magnitude(Complex z);
// The textbook product: no recovery of infinities.
Complex multiply(Complex a, Complex b);
// Smith's quotient: scaled by the larger part of the divisor.
Complex divide(Complex a, Complex b);
Complex power(Complex base, Complex exponent);

}  // namespace nxv::reference
