// Roots of unity, the constants of Fourier transforms.
#pragma once

#include "ir/math/math.h"

namespace nxv::ir::math {

struct UnitRoot {
  Value re, im;
};

// exp(2 pi i k / n) in type t (f32 or f64) for u32 k < n < 2^32, each part within an ULP. The angle
// is reduced in integers, so that the error does not grow with k, and multiples of an eighth turn
// are as symmetric as they should be.
UnitRoot unit_root(Value k, Value n, Type t, const MathOptions& options);

}  // namespace nxv::ir::math
