// The product |x| * 2/pi modulo 4, for any f32 or f64 (Payne and Hanek's reduction in integers).
#pragma once

#include "ir/math/whole.h"

namespace nxv::ir::math {

// |x| = (quadrant + 4 j) pi/2 + angle with |angle| <= pi/4 (a little more by rounding); the f32 or
// f64 x is finite and at least 1/2. Elsewhere the result is some number.
struct QuadrantAngle {
  Value quadrant;  // u32, modulo 4 in its low bits
  Extended angle;
};
QuadrantAngle reduce_by_half_pi(Value x, const Arithmetic& arithmetic);
// The same of any integer, for pairs of f32.
QuadrantAngle reduce_by_half_pi(const Whole& x, const Arithmetic& arithmetic);

}  // namespace nxv::ir::math
