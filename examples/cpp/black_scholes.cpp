// The price of a European call by Monte Carlo, beside the Black-Scholes formula.
#include <cmath>
#include <cstdio>

#include "nxv/nxv.hpp"

namespace {

constexpr double kSpot = 100, kStrike = 105, kRate = 0.03, kVolatility = 0.2, kYears = 1;

double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::sqrt(2.0)); }

double black_scholes() {
  const double spread = kVolatility * std::sqrt(kYears);
  const double d1 =
      (std::log(kSpot / kStrike) + (kRate + kVolatility * kVolatility / 2) * kYears) / spread;
  return kSpot * normal_distribution(d1) -
         kStrike * std::exp(-kRate * kYears) * normal_distribution(d1 - spread);
}

int run() {
  constexpr int64_t kPaths = 1 << 20;
  const nxv::Engine engine;
  const nxv::Tensor z = engine.random_normal({kPaths}, /*seed=*/7);
  const nxv::Tensor price = kSpot * nxv::exp((kRate - kVolatility * kVolatility / 2) * kYears +
                                             kVolatility * std::sqrt(kYears) * z);
  const nxv::Tensor payoff = nxv::max(price - kStrike, 0) * std::exp(-kRate * kYears);
  const nxv::Tensor average = nxv::mean(payoff);
  const double mean = average.item<float>();
  const double square = nxv::mean(payoff * payoff).item<float>();
  const double error = std::sqrt((square - mean * mean) / kPaths);
  std::printf("Monte Carlo with %lld paths: %.4f +- %.4f; Black-Scholes: %.4f\n",
              static_cast<long long>(kPaths), mean, error, black_scholes());
  return std::fabs(mean - black_scholes()) < 4 * error ? 0 : 1;
}

}  // namespace

int main() {
  try {
    return run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
