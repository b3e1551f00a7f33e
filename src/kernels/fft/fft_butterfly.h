// Fourier transforms of a few numbers, in registers.
#pragma once

#include <vector>

#include "ir/complex/complex.h"

namespace nxv::kernels {

inline constexpr int kLargestRadix = 16;

using ir::complex::Complex;

// X[k] = sum of x[j] exp(-2 pi i j k / r) for r = x.size() from 1 to kLargestRadix.
std::vector<Complex> butterfly(const std::vector<Complex>& x);

// With fused multiplications and additions where the device has them.
Complex fma_multiply(const Complex& a, const Complex& b);

}  // namespace nxv::kernels
