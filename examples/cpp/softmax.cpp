// Softmax from its plain operations: nxv runs it as one kernel that reads and writes memory once.
#include <cmath>
#include <cstdio>

#include "nxv/nxv.hpp"

namespace {

nxv::Tensor softmax(const nxv::Tensor& x) {
  const nxv::Tensor powers = nxv::exp(x - nxv::reduce_max(x, {-1}, true));
  return powers / nxv::sum(powers, {-1}, true);
}

int run() {
  const nxv::Engine engine;
  std::printf("device: %s\n", engine.device_name().c_str());
  const nxv::Tensor x = engine.random_normal({1000, 512}, /*seed=*/42);

  const uint64_t before = engine.counters().dispatches;
  const std::vector<float> y = softmax(x).to_vector<float>();
  const uint64_t kernels = engine.counters().dispatches - before;

  double worst = 0;
  for (size_t row = 0; row < 1000; ++row) {
    double sum = 0;
    for (size_t column = 0; column < 512; ++column) sum += y[row * 512 + column];
    worst = std::fmax(worst, std::fabs(sum - 1));
  }
  std::printf("softmax of %zu numbers in %llu kernel(s); rows sum to 1 within %.1e\n", y.size(),
              static_cast<unsigned long long>(kernels), worst);

  // A programmer's mistake is an exception, and says which.
  try {
    softmax(x) + engine.ones({3});
    return 1;
  } catch (const nxv::Exception& e) {
    std::printf("as it should: %s\n", e.what());
    if (e.status() != NXV_SIZE_MISMATCH) return 1;
  }
  return worst < 1e-5 && kernels == 1 ? 0 : 1;
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
