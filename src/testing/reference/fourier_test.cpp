// The fast host transform against the definition.
#include "testing/reference/fourier.h"

#include <gtest/gtest.h>

#include <numbers>
#include <random>

namespace nxv::reference {
namespace {

TEST(ReferenceFourier, FastIsNaive) {
  std::mt19937 random(1);
  std::uniform_real_distribution<long double> real(-1, 1);
  for (size_t n : {1, 2, 3, 4, 5, 6, 8, 12, 60, 61, 67, 97, 120, 128, 134, 201, 211, 256, 1009}) {
    std::vector<LongComplex> x(n);
    for (LongComplex& v : x) v = {real(random), real(random)};
    for (bool inverse : {false, true}) {
      const std::vector<LongComplex> fast = fourier(x, inverse), naive = naive_fourier(x, inverse);
      long double error = 0, norm = 0;
      for (size_t k = 0; k < n; ++k) {
        error += std::norm(fast[k] - naive[k]);
        norm += std::norm(naive[k]);
      }
      EXPECT_LE(std::sqrt(error / norm), std::numeric_limits<double>::epsilon() / 64) << n;
    }
  }
}

TEST(ReferenceFourier, AnImpulseIsAWave) {
  std::vector<LongComplex> x(5);
  x[1] = 1;
  const std::vector<LongComplex> wave = naive_fourier(x);
  EXPECT_NEAR(static_cast<double>(wave[1].real()), std::cos(2 * std::numbers::pi / 5), 1e-15);
  EXPECT_NEAR(static_cast<double>(wave[1].imag()), -std::sin(2 * std::numbers::pi / 5), 1e-15);
}

}  // namespace
}  // namespace nxv::reference
