// Linear algebra on the device: what decompositions must satisfy, whatever their signs.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "library/registry.h"
#include "runtime/engine_fixture_test.h"
#include "testing/matrix.h"

namespace nxv::runtime {
namespace {

using namespace nxv::testing;  // NOLINT: Matrix and its operators

class Linear : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = open_or_null();
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
  }

  NodeRef upload(const HostTensor& t) {
    auto bytes = std::make_shared<std::vector<std::byte>>(t.bytes);
    return engine_->upload(t.dtype, t.shape, *bytes, [bytes] {});
  }
  std::vector<HostTensor> call(const char* name, const std::vector<HostTensor>& operands,
                               const std::vector<library::Option>& options = {}) {
    std::vector<NodeRef> nodes;
    for (const HostTensor& t : operands) nodes.push_back(upload(t));
    std::vector<HostTensor> results;
    for (const NodeRef& node : library::call(name, nodes, options)) {
      results.push_back(value(*engine_, node));
    }
    return results;
  }

  // Errors are relative to the norm of the matrix, in units of its type's epsilon times the root
  // of its size: what backward stable algorithms reach.
  static double unit(DType type, const Matrix& x) {
    return epsilon_of(type) * std::sqrt(static_cast<double>(std::max(x.rows, x.columns)));
  }
  void check_lu(DType type, const std::vector<Matrix>& batch);
  void check_cholesky(DType type, const std::vector<Matrix>& batch);
  void check_qr(DType type, const std::vector<Matrix>& batch);
  void check_eigh(DType type, const std::vector<Matrix>& batch);
  void check_svd(DType type, const std::vector<Matrix>& batch);

  std::shared_ptr<Engine> engine_;
};

void expect_small(double error, double unit, const std::string& what) {
  EXPECT_LE(error, 10 * unit) << what << ": " << error / unit << " units";
  if (std::getenv("NXV_TEST_VERBOSE") != nullptr) {
    std::printf("%-40s %8.3f units\n", what.c_str(), error / unit);
  }
}

std::string text(DType type, const Matrix& x) {
  return std::string(name(type)) + " " + std::to_string(x.rows) + " x " + std::to_string(x.columns);
}

void Linear::check_lu(DType type, const std::vector<Matrix>& batch) {
  const auto results = call("lu", {tensor_of(type, batch)});
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const Matrix p = matrix_of(results[0], at), l = matrix_of(results[1], at);
    const Matrix u = matrix_of(results[2], at);
    expect_small(norm(p * (l * u) - batch[i]) / norm(batch[i]), unit(type, batch[i]),
                 "lu " + text(type, batch[i]));
    EXPECT_EQ(orthogonality_error(p), 0);
  }
}

void Linear::check_cholesky(DType type, const std::vector<Matrix>& batch) {
  const auto results = call("cholesky", {tensor_of(type, batch)});
  for (size_t i = 0; i < batch.size(); ++i) {
    const Matrix l = matrix_of(results[0], static_cast<int64_t>(i));
    expect_small(norm(l * adjoint(l) - batch[i]) / norm(batch[i]), unit(type, batch[i]),
                 "cholesky " + text(type, batch[i]));
  }
}

void Linear::check_qr(DType type, const std::vector<Matrix>& batch) {
  for (const int64_t complete : {0, 1}) {
    const auto results = call("qr", {tensor_of(type, batch)}, {{"complete", {complete}, {}}});
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const Matrix q = matrix_of(results[0], at), r = matrix_of(results[1], at);
      const double size = std::max(norm(batch[i]), 1e-300);
      expect_small(norm(q * r - batch[i]) / size, unit(type, batch[i]),
                   "qr " + text(type, batch[i]));
      expect_small(orthogonality_error(q) / std::sqrt(q.columns), unit(type, batch[i]),
                   "qr orthogonality " + text(type, batch[i]));
      for (int64_t row = 0; row < r.rows; ++row) {
        for (int64_t column = 0; column < std::min(row, r.columns); ++column) {
          ASSERT_EQ(r(row, column), 0.0);
        }
      }
    }
  }
}

void Linear::check_eigh(DType type, const std::vector<Matrix>& batch) {
  const auto results = call("eigh", {tensor_of(type, batch)});
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const std::vector<double> values = vector_of(results[0], at);
    const Matrix v = matrix_of(results[1], at);
    const double size = std::max(norm(batch[i]), 1e-300);
    expect_small(norm(scaled_columns(v, values) * adjoint(v) - batch[i]) / size,
                 unit(type, batch[i]), "eigh " + text(type, batch[i]));
    expect_small(orthogonality_error(v) / std::sqrt(v.columns), unit(type, batch[i]),
                 "eigh orthogonality " + text(type, batch[i]));
    for (size_t k = 1; k < values.size(); ++k) {
      EXPECT_GE(std::abs(values[k - 1]), std::abs(values[k]));
    }
  }
}

void Linear::check_svd(DType type, const std::vector<Matrix>& batch) {
  for (const int64_t full : {0, 1}) {
    const auto results = call("svd", {tensor_of(type, batch)}, {{"full_matrices", {full}, {}}});
    for (size_t i = 0; i < batch.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const Matrix u = matrix_of(results[0], at), vt = matrix_of(results[2], at);
      const std::vector<double> values = vector_of(results[1], at);
      const double size = std::max(norm(batch[i]), 1e-300);
      Matrix rows(static_cast<int64_t>(values.size()), vt.columns);
      std::copy_n(vt.elements.begin(), rows.elements.size(), rows.elements.begin());
      expect_small(norm(scaled_columns(u, values) * rows - batch[i]) / size, unit(type, batch[i]),
                   "svd " + text(type, batch[i]));
      expect_small(orthogonality_error(u) / std::sqrt(u.columns), unit(type, batch[i]),
                   "svd u " + text(type, batch[i]));
      expect_small(orthogonality_error(adjoint(vt)) / std::sqrt(vt.rows), unit(type, batch[i]),
                   "svd v " + text(type, batch[i]));
      for (size_t k = 0; k < values.size(); ++k) {
        EXPECT_GE(values[k], k + 1 < values.size() ? values[k + 1] : 0);
      }
    }
  }
}

constexpr DType kTypes[] = {DType::f32, DType::f64, DType::c64, DType::c128};

// Random, ill-conditioned and rank-deficient matrices of one shape.
std::vector<Matrix> hard_batch(DType type, int64_t rows, int64_t columns, uint32_t seed) {
  const int64_t k = std::min(rows, columns);
  return {random_matrix(type, rows, columns, seed),
          random_matrix(type, rows, columns, graded(k, 1e6), seed + 10),
          random_matrix(type, rows, columns, graded(k, 100, k / 3), seed + 20)};
}

std::vector<Matrix> hermitian_batch(DType type, int64_t n, uint32_t seed) {
  std::vector<double> mixed = graded(n, 1000), equal(n, 1.0);
  for (size_t i = 0; i < mixed.size(); i += 2) mixed[i] = -mixed[i];
  for (size_t i = 0; i < equal.size(); i += 3) equal[i] = -2;
  return {random_hermitian(type, mixed, seed), random_hermitian(type, graded(n, 1e6), seed + 10),
          random_hermitian(type, graded(n, 10, n / 3), seed + 20),
          random_hermitian(type, equal, seed + 30)};
}

TEST_F(Linear, LuReconstructs) {
  for (const DType type : kTypes) {
    for (const int64_t n : {1, 2, 3, 5, 16, 33, 64}) check_lu(type, hard_batch(type, n, n, 1));
  }
}

TEST_F(Linear, CholeskyReconstructs) {
  for (const DType type : kTypes) {
    for (const int64_t n : {1, 2, 3, 5, 16, 33, 64}) {
      check_cholesky(type, {random_hermitian(type, graded(n, 100), 1),
                            random_hermitian(type, graded(n, 1e4), 2)});
    }
  }
}

TEST_F(Linear, QrReconstructs) {
  for (const DType type : kTypes) {
    for (const auto& [m, n] : {std::pair<int64_t, int64_t>{1, 1},
                               {2, 2},
                               {3, 3},
                               {5, 3},
                               {3, 5},
                               {1, 4},
                               {4, 1},
                               {33, 33},
                               {64, 20},
                               {20, 64}}) {
      check_qr(type, hard_batch(type, m, n, 3));
    }
  }
}

TEST_F(Linear, EighReconstructs) {
  for (const DType type : kTypes) {
    for (const int64_t n : {1, 2, 3, 5, 16, 33}) check_eigh(type, hermitian_batch(type, n, 5));
  }
}

TEST_F(Linear, SvdReconstructs) {
  for (const DType type : {DType::f32, DType::f64}) {
    for (const auto& [m, n] : {std::pair<int64_t, int64_t>{1, 1},
                               {2, 2},
                               {3, 3},
                               {5, 3},
                               {3, 5},
                               {1, 4},
                               {4, 1},
                               {33, 33},
                               {40, 20},
                               {20, 40}}) {
      check_svd(type, hard_batch(type, m, n, 3));
    }
  }
}

}  // namespace
}  // namespace nxv::runtime
