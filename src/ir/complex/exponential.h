// e^z for exponents with more precision than the result.
#pragma once

#include "ir/complex/complex.h"

namespace nxv::ir::complex {

// x, limited to where e^x times any sine still tells zero, finite and infinite results apart.
Value limit_exponent(Value x, const Context& c);

// v with the special values that e^z has for z with an infinite real part: (inf, NaN) where the
// sine is 0 or the angle NaN, and (low, 0) at -inf. A zero imaginary part of a finite z passes on.
Complex with_specials(const Complex& v, const Complex& z, Value low, const Context& c);

}  // namespace nxv::ir::complex
