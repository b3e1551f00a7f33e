// Powers with small constant exponents.
#pragma once

#include "graph/node.h"

namespace nxv {

// x^2 as a product, and x^3 of 16-bit floats as products in f32, which hold it: each is rounded
// once, as the power would be, at a small part of its work. Variances are written with them. Null
// where the power is none of these. `type`: of the result.
NodeRef simple_power(const NodeRef& x, const NodeRef& exponent, DType type);

}  // namespace nxv
