// What decompositions must satisfy, whatever their signs, and matrices that are hard on them.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "library/arguments.h"
#include "testing/matrix.h"

namespace nxv::testing {

// An operation by name on whatever evaluates it.
using LinearCall =
    std::function<std::vector<HostTensor>(const char* name, const std::vector<HostTensor>& operands,
                                          const std::vector<library::Option>& options)>;

// Errors are relative to the norm of the matrix, in units of its type's epsilon times the root of
// its size: a float64 reference stays below 10 of its own.
inline double unit(DType type, const Matrix& x) {
  return epsilon_of(type) * std::sqrt(static_cast<double>(std::max(x.rows, x.columns)));
}

inline void expect_small(double error, double unit, const std::string& what) {
  EXPECT_LE(error, 10 * unit) << what << ": " << error / unit << " units";
  ::testing::Test::RecordProperty(what, std::to_string(error / unit));
}

inline std::string text(DType type, const Matrix& x) {
  return std::string(name(type)) + " " + std::to_string(x.rows) + " x " + std::to_string(x.columns);
}

inline void check_lu(const LinearCall& call, DType type, const std::vector<Matrix>& batch) {
  const auto results = call("lu", {tensor_of(type, batch)}, {});
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const Matrix p = matrix_of(results[0], at), l = matrix_of(results[1], at);
    const Matrix u = matrix_of(results[2], at);
    expect_small(norm(p * (l * u) - batch[i]) / norm(batch[i]), unit(type, batch[i]),
                 "lu " + text(type, batch[i]));
    EXPECT_EQ(orthogonality_error(p), 0);
  }
}

inline void check_cholesky(const LinearCall& call, DType type, const std::vector<Matrix>& batch) {
  const auto results = call("cholesky", {tensor_of(type, batch)}, {});
  for (size_t i = 0; i < batch.size(); ++i) {
    const Matrix l = matrix_of(results[0], static_cast<int64_t>(i));
    expect_small(norm(l * adjoint(l) - batch[i]) / norm(batch[i]), unit(type, batch[i]),
                 "cholesky " + text(type, batch[i]));
  }
}

inline void check_qr(const LinearCall& call, DType type, const std::vector<Matrix>& batch) {
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

inline void check_eigh(const LinearCall& call, DType type, const std::vector<Matrix>& batch) {
  const auto results = call("eigh", {tensor_of(type, batch)}, {});
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

inline void check_svd(const LinearCall& call, DType type, const std::vector<Matrix>& batch) {
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

inline constexpr DType kLinearTypes[] = {DType::f32, DType::f64, DType::c64, DType::c128};

// Random, ill-conditioned and rank-deficient matrices of one shape.
inline std::vector<Matrix> hard_batch(DType type, int64_t rows, int64_t columns, uint32_t seed) {
  const int64_t k = std::min(rows, columns);
  return {random_matrix(type, rows, columns, seed),
          random_matrix(type, rows, columns, graded(k, 1e6), seed + 10),
          random_matrix(type, rows, columns, graded(k, 100, k / 3), seed + 20)};
}

inline std::vector<Matrix> hermitian_batch(DType type, int64_t n, uint32_t seed) {
  std::vector<double> mixed = graded(n, 1000), equal(n, 1.0);
  for (size_t i = 0; i < mixed.size(); i += 2) mixed[i] = -mixed[i];
  for (size_t i = 0; i < equal.size(); i += 3) equal[i] = -2;
  return {random_hermitian(type, mixed, seed), random_hermitian(type, graded(n, 1e6), seed + 10),
          random_hermitian(type, graded(n, 10, n / 3), seed + 20),
          random_hermitian(type, equal, seed + 30)};
}

}  // namespace nxv::testing
