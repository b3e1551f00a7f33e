// Fourier transforms on the host, in more precision than any result.
#pragma once

#include <complex>
#include <vector>

#include "graph/node.h"
#include "testing/reference/reference.h"

namespace nxv::reference {

using LongComplex = std::complex<long double>;

// X[k] = sum of x[j] exp(-2 pi i j k / n), with + for the inverse (which is not divided by n).
// naive_fourier in n^2 steps; fourier in n log n, for any n.
std::vector<LongComplex> naive_fourier(const std::vector<LongComplex>& x, bool inverse = false);
std::vector<LongComplex> fourier(const std::vector<LongComplex>& x, bool inverse = false);

HostTensor evaluate_fft(const Node& node, const HostTensor& input);

// Largest ||got - want|| / ||want|| of a row of `got` as the transform of a row of `input`;
// infinite for a NaN. Of the last row, and of those that are `step` apart before it.
double fourier_error(const HostTensor& got, const HostTensor& input, bool inverse,
                     int64_t step = 1);

}  // namespace nxv::reference
