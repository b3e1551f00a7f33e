// Matrix products on whatever device is there, against sums in double.
#include <gtest/gtest.h>

#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <random>

#include "runtime/engine.h"

namespace nxv::runtime {
namespace {

class MatmulOnDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      engine_ = Engine::open();
    } catch (const Error& e) {
      if (e.status() != Status::no_device) throw;
      GTEST_SKIP() << "no Vulkan device: " << e.what();
    }
  }

  NodeRef upload(Shape shape, const std::vector<float>& values) {
    return engine_->upload(DType::f32, std::move(shape), std::as_bytes(std::span(values)), [] {});
  }

  std::vector<float> read(const NodeRef& node) {
    std::vector<float> values(static_cast<size_t>(node->count));
    std::mutex mutex;
    std::condition_variable arrived;
    bool done = false;
    Failure failure;
    engine_->read(node, node->count, [&](const Failure& f, std::span<const std::byte> bytes) {
      const std::lock_guard lock(mutex);
      failure = f;
      std::memcpy(values.data(), bytes.data(), bytes.size());
      done = true;
      arrived.notify_one();
    });
    std::unique_lock lock(mutex);
    arrived.wait(lock, [&] { return done; });
    EXPECT_FALSE(failure) << failure.message;
    return values;
  }

  static std::vector<float> random(int64_t count, uint32_t seed) {
    std::mt19937 bits(seed);
    std::uniform_real_distribution<float> real(-1, 1);
    std::vector<float> values(static_cast<size_t>(count));
    for (float& v : values) v = real(bits);
    return values;
  }

  // ||error|| / ||product|| of the product of m x k and k x n, the second given transposed or not.
  double relative_error(int64_t m, int64_t n, int64_t k, bool transposed) {
    const auto a = random(m * k, 1), b = random(k * n, 2);
    const NodeRef x = upload({m, k}, a);
    const NodeRef y = transposed ? transpose(upload({n, k}, b), {1, 0}) : upload({k, n}, b);
    const auto c = read(dot(x, y, {{1}, {0}, {}, {}}));
    double error = 0, norm = 0;
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t step = 0; step < k; ++step) {
          sum += double{a[static_cast<size_t>(i * k + step)]} *
                 b[static_cast<size_t>(transposed ? j * k + step : step * n + j)];
        }
        const double difference = c[static_cast<size_t>(i * n + j)] - sum;
        error += difference * difference;
        norm += sum * sum;
      }
    }
    return std::sqrt(error / norm);
  }

  // Of products small enough to be added up in f64, where the device has it.
  double small_bound() const { return engine_->plan().has.fast_f64 ? 1e-7 : 5e-7; }

  std::shared_ptr<Engine> engine_;
};

TEST_F(MatmulOnDevice, SizesAndOrders) {
  for (bool transposed : {false, true}) {
    EXPECT_LE(relative_error(3, 5, 7, transposed), small_bound());
    EXPECT_LE(relative_error(100, 68, 81, transposed), small_bound());
    EXPECT_LE(relative_error(130, 131, 300, transposed), 1e-6);
    EXPECT_LE(relative_error(40, 64, 4096, transposed), 1e-6);
  }
}

// More steps than drivers let one invocation loop over.
TEST_F(MatmulOnDevice, VeryLongProducts) {
  // In f32 the sums of 4 096 blocks round 4 096 times.
  EXPECT_LE(relative_error(1, 1, 1 << 20, false), engine_->plan().has.fast_f64 ? 1e-7 : 1e-5);
  EXPECT_LE(relative_error(3, 2, 70001, false), 1e-6);
  EXPECT_LE(relative_error(16, 32, 150000, false), 1e-6);
}

}  // namespace
}  // namespace nxv::runtime
