// A scalar as words.
#pragma once

#include <cstdint>
#include <vector>

#include "base/scalar.h"

namespace nxv {

// As the arithmetic of kernels sees it: integers extended to 32 bits, narrow floats as f32. How
// many words there are follows from the type (ir::scalar_words).
void append(std::vector<uint32_t>& words, const Scalar& value);

}  // namespace nxv
