// Matrix products on whatever device is there, against sums in double.
#include <gtest/gtest.h>

#include <cmath>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <random>

#include "base/scalar.h"
#include "library/registry.h"
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

  // The same over a sample of a batched product of any float type, whose factors may lie
  // transposed.
  struct Product {
    DType type = DType::f32;
    int64_t batch = 1, m = 1, n = 1, k = 1;
    bool transpose_a = false, transpose_b = false;
    // Elements are multiplied by 2^-spread .. 2^spread.
    int spread = 0;
    Precision precision = Precision::accurate;
  };
  double sampled_error(const Product& p) {
    std::mt19937 bits(3);
    std::uniform_real_distribution<double> real(-1, 1);
    const auto factor = [&](int64_t rows, int64_t columns) {
      std::vector<std::byte> bytes(
          static_cast<size_t>(p.batch * rows * columns * storage_bytes(p.type)));
      for (int64_t i = 0; i < p.batch * rows * columns; ++i) {
        const int exponent = p.spread ? static_cast<int>(bits() % (2 * p.spread + 1)) : p.spread;
        store_scalar(make_scalar(p.type, std::ldexp(real(bits), exponent - p.spread)), bytes.data(),
                     i);
      }
      return bytes;
    };
    const auto a = factor(p.m, p.k), b = factor(p.k, p.n);
    const auto node = [&](const std::vector<std::byte>& bytes, int64_t rows, int64_t columns,
                          bool transposed) {
      const Shape shape =
          transposed ? Shape{p.batch, columns, rows} : Shape{p.batch, rows, columns};
      const NodeRef stored = engine_->upload(p.type, shape, bytes, [] {});
      return transposed ? transpose(stored, {0, 2, 1}) : stored;
    };
    const NodeRef product = dot(node(a, p.m, p.k, p.transpose_a), node(b, p.k, p.n, p.transpose_b),
                                {{2}, {1}, {0}, {0}, p.precision});
    const auto c = read(p.type == DType::f32 ? product : cast(product, DType::f32));
    const auto at = [&](const std::vector<std::byte>& bytes, int64_t batch, int64_t row,
                        int64_t column, int64_t rows, int64_t columns, bool transposed) {
      const int64_t start = batch * rows * columns;
      return to_double(
          load_scalar(p.type, bytes.data(),
                      start + (transposed ? column * rows + row : row * columns + column)));
    };
    double error = 0, norm = 0;
    for (int64_t s = 0; s < 400; ++s) {
      const int64_t batch = s % p.batch, row = s < 200 ? p.m - 1 - s % p.m : s * 7919 % p.m;
      const int64_t column = s < 200 ? s * 104729 % p.n : p.n - 1 - s % p.n;
      double sum = 0;
      for (int64_t k = 0; k < p.k; ++k) {
        sum += at(a, batch, row, k, p.m, p.k, p.transpose_a) *
               at(b, batch, k, column, p.k, p.n, p.transpose_b);
      }
      const double got = c[static_cast<size_t>((batch * p.m + row) * p.n + column)];
      error += (got - sum) * (got - sum);
      norm += sum * sum;
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

// Large enough for matrix units; without them, once is enough.
TEST_F(MatmulOnDevice, HalvesOfAnyShapeAndOrder) {
  for (auto [type, bound] : {std::pair{DType::f16, 0x1p-11}, {DType::bf16, 0x1p-8}}) {
    EXPECT_LE(sampled_error({type, 2, 201, 133, 267, true, true}), bound);
    if (!engine_->plan().has.coopmat) continue;
    for (auto [ta, tb] : {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
      EXPECT_LE(sampled_error({type, 1, 256, 256, 256, ta, tb}), bound);
      EXPECT_LE(sampled_error({type, 3, 200, 136, 264, ta, tb}), bound);
      EXPECT_LE(sampled_error({type, 2, 201, 133, 267, ta, tb}), bound);
      EXPECT_LE(sampled_error({type, 1, 2048, 2049, 300, ta, tb}), bound);
    }
    EXPECT_LE(sampled_error({type, 1, 64, 1032, 4097}), bound);
  }
}

TEST_F(MatmulOnDevice, LargeProductsOfAnyRange) {
  EXPECT_LE(sampled_error({DType::f32, 2, 901, 803, 1001, true, false}), 5e-7);
  if (!engine_->plan().has.coopmat) return;
  for (auto [ta, tb] : {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
    EXPECT_LE(sampled_error({DType::f32, 1, 1024, 1024, 1024, ta, tb}), 5e-7);
    EXPECT_LE(sampled_error({DType::f32, 2, 901, 803, 1001, ta, tb}), 5e-7);
    EXPECT_LE(sampled_error({DType::f32, 1, 2100, 2048, 1000, ta, tb}), 5e-7);
  }
  EXPECT_LE(sampled_error({DType::f32, 1, 1024, 1024, 1024, false, false, 3}), 5e-7);
  EXPECT_LE(sampled_error({DType::f32, 1, 1024, 1024, 1024, false, false, 30}), 5e-7);
}

TEST_F(MatmulOnDevice, FastProductsOfAnyShapeAndRange) {
  const auto fast = [](int64_t batch, int64_t m, int64_t n, int64_t k, bool ta = false,
                       bool tb = false, int spread = 0) {
    return Product{DType::f32, batch, m, n, k, ta, tb, spread, Precision::fast};
  };
  EXPECT_LE(sampled_error(fast(2, 201, 133, 267, true, false)), 5e-7);
  if (!engine_->plan().has.coopmat) return;
  for (auto [ta, tb] : {std::pair{false, false}, {false, true}, {true, false}, {true, true}}) {
    EXPECT_LE(sampled_error(fast(1, 1024, 1024, 1024, ta, tb)), 3e-4);
    EXPECT_LE(sampled_error(fast(2, 901, 803, 1001, ta, tb)), 3e-4);
    EXPECT_LE(sampled_error(fast(12, 512, 520, 64, ta, tb)), 3e-4);
    EXPECT_LE(sampled_error(fast(1, 512, 768, 3072, ta, tb)), 3e-4);
    EXPECT_LE(sampled_error(fast(1, 64, 72, 40001, ta, tb)), 3e-4);
    EXPECT_LE(sampled_error(fast(1, 1024, 1024, 1024, ta, tb, 3)), 3e-4);
    EXPECT_LE(sampled_error(fast(1, 1024, 1024, 1024, ta, tb, 30)), 4e-4);
  }
}

// Products and convolutions, whose windows have one scale.
TEST_F(MatmulOnDevice, FastProductsKeepWhatIsNotFinite) {
  const auto infinity = std::numeric_limits<float>::infinity();
  const auto expect_alike = [&](const std::vector<float>& accurate,
                                const std::vector<float>& fast) {
    int special = 0;
    double error = 0, norm = 0;
    for (size_t i = 0; i < accurate.size(); ++i) {
      if (std::isfinite(accurate[i])) {
        error += std::pow(fast[i] - accurate[i], 2);
        norm += std::pow(accurate[i], 2);
        continue;
      }
      ++special;
      ASSERT_EQ(std::isnan(fast[i]), std::isnan(accurate[i])) << i;
      if (!std::isnan(accurate[i])) {
        ASSERT_EQ(fast[i], accurate[i]) << i;
      }
    }
    EXPECT_GT(special, 100);
    EXPECT_LE(std::sqrt(error / norm), 3e-4);
  };
  const int64_t side = engine_->plan().has.coopmat ? 640 : 64;
  std::vector<float> a = random(side * side, 4), b = random(side * side, 5);
  a[3 * side + 5] = a[3 * side + 9] = infinity;
  a[60 * side] = -infinity;
  b[7 * side + 50] = std::nanf("");
  b[5 * side + 20] = 0;
  b[5 * side + 21] = 0x1p-60F;
  b[5 * side + 22] = -0x1p-100F;
  const NodeRef x = upload({side, side}, a), y = upload({side, side}, b);
  expect_alike(read(matmul(x, y)), read(matmul(x, y, Precision::fast)));

  const int64_t images = engine_->plan().has.coopmat ? 128 : 1;
  std::vector<float> image = random(images * 32 * 32 * 32, 6), kernel = random(9 * 32 * 32, 7);
  image[12345] = infinity;
  image[23456] = std::nanf("");
  kernel[100] = 0x1p-60F;
  const std::vector operands = {upload({images, 32, 32, 32}, image),
                                upload({3, 3, 32, 32}, kernel)};
  const auto convolution = [&](int64_t precision) {
    const std::vector<library::Option> options = {{"low", {1, 1}, {}},
                                                  {"high", {1, 1}, {}},
                                                  {"input_permutation", {0, 3, 1, 2}, {}},
                                                  {"kernel_permutation", {3, 2, 0, 1}, {}},
                                                  {"output_permutation", {0, 3, 1, 2}, {}},
                                                  {"precision", {precision}, {}}};
    return read(library::call("conv", operands, options)[0]);
  };
  expect_alike(convolution(0), convolution(1));
}

// Lines of the larger factor, neighbours or contiguous, aligned or not.
TEST_F(MatmulOnDevice, FewRowsOrColumns) {
  for (DType type : {DType::f32, DType::bf16, DType::f64}) {
    if (type == DType::f64 && !engine_->plan().has.f64) continue;
    const double bound = type == DType::bf16 ? 0x1p-8 : 5e-7;
    for (bool transposed : {false, true}) {
      for (int64_t few : {1, 3, 16}) {
        EXPECT_LE(sampled_error({type, 1, few, 512, 1024, false, transposed}), bound);
        EXPECT_LE(sampled_error({type, 1, 512, few, 1024, transposed, false}), bound);
        EXPECT_LE(sampled_error({type, 2, few, 131, 2503, false, transposed}), bound);
        EXPECT_LE(sampled_error({type, 2, 131, few, 2503, transposed, true}), bound);
      }
      EXPECT_LE(sampled_error({type, 8, 4, 64, 1000, false, transposed}), bound);
      EXPECT_LE(sampled_error({type, 8, 4, 1000, 64, false, transposed}), bound);
    }
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
