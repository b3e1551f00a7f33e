// Compares the errors of linear algebra on a device with those of the float64 reference for the
// same matrices, each in units of its own epsilon.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "testing/linear/linear_errors.h"

namespace nxv::testing {

inline constexpr DType kLinearTypes[] = {DType::f32, DType::f64, DType::c64, DType::c128};

// How often the reference's error a device's may be.
inline constexpr double kAllowed = 10;
// Epsilons below which an error of the reference says nothing: rounding each of two factors to
// their type costs up to half an epsilon an element, however they were computed.
inline constexpr double kRounding = 1;

class LinearCheck {
 public:
  explicit LinearCheck(LinearCall device) : device_(std::move(device)) {}
  LinearCheck(const LinearCheck&) = delete;
  LinearCheck& operator=(const LinearCheck&) = delete;
  // Prints the largest ratios to the reference.
  ~LinearCheck() {
    for (const auto& [name, worst] : worst_) {
      char text[160];
      std::snprintf(text, sizeof text, "%6.2f of the reference's %6.2f eps, %s", worst.ratio,
                    worst.reference, worst.where.c_str());
      std::printf("  %-34s %s\n", name.c_str(), text);
      ::testing::Test::RecordProperty(name, text);
    }
  }

  void lu(DType type, const Batch& a) {
    compare("lu", type, a, [&](const Measured& by) { return lu_errors(by, a); });
  }
  void cholesky(DType type, const Batch& a) {
    compare("cholesky", type, a, [&](const Measured& by) { return cholesky_errors(by, a); });
  }
  void qr(DType type, const Batch& a) {
    for (const bool complete : {false, true}) {
      if (complete && is_square(a)) continue;  // the same
      compare("qr", type, a, [&](const Measured& by) { return qr_errors(by, a, complete); });
    }
  }
  void eigh(DType type, const Batch& a) {
    compare("eigh", type, a, [&](const Measured& by) { return eigh_errors(by, a); });
  }
  void svd(DType type, const Batch& a) {
    for (const bool full : {false, true}) {
      if (full && is_square(a)) continue;
      compare("svd", type, a, [&](const Measured& by) { return svd_errors(by, a, full); });
    }
  }
  void solve(DType type, const Batch& a, const Batch& b) {
    compare("solve", type, a, [&](const Measured& by) { return solve_errors(by, a, b); });
  }
  void invert(DType type, const Batch& a) {
    compare("invert", type, a, [&](const Measured& by) { return invert_errors(by, a); });
  }
  void determinant(DType type, const Batch& a) {
    compare("determinant", type, a, [&](const Measured& by) { return determinant_errors(by, a); });
  }
  void triangular_solve(DType type, const Batch& a, const Batch& b,
                        const TriangularVariant& variant) {
    compare("triangular_solve", type, a,
            [&](const Measured& by) { return triangular_errors(by, a, b, variant); });
  }

 private:
  struct Worst {
    double ratio = 0, reference = 0;
    std::string where;
  };

  static bool is_square(const Batch& a) { return a.matrices[0].rows == a.matrices[0].columns; }

  template <typename Measure>
  void compare(const char* operation, DType type, const Batch& a, const Measure& measure) {
    const DType wide = is_complex(type) ? DType::c128 : DType::f64;
    const Errors errors = measure(Measured{device_, type});
    const Errors reference = measure(Measured{reference_, wide});
    EXPECT_EQ(errors.broken, "") << operation << ' ' << name(type);
    EXPECT_EQ(reference.broken, "") << operation << ' ' << name(type);
    for (size_t kind = 0; kind < errors.kinds.size(); ++kind) {
      const std::string key =
          std::string(operation) + " " + errors.kinds[kind].name + " " + std::string(name(type));
      Worst& worst = worst_[key];
      for (size_t i = 0; i < a.matrices.size(); ++i) {
        const double own = errors.kinds[kind].of_matrix[i] / epsilon_of(type);
        const double other = reference.kinds[kind].of_matrix[i] / epsilon_of(wide);
        const double ratio = own / std::max(other, kRounding);
        const std::string where = std::to_string(a.matrices[i].rows) + " x " +
                                  std::to_string(a.matrices[i].columns) + " no. " +
                                  std::to_string(i) + " of " + std::to_string(a.matrices.size());
        EXPECT_LE(ratio, kAllowed)
            << key << ", " << where << ": " << own << " eps, reference " << other << " eps";
        if (!(ratio <= worst.ratio)) worst = {ratio, other, where};
      }
    }
  }

  const LinearCall device_;
  const LinearCall reference_ = reference_call();
  std::map<std::string, Worst> worst_;
};

// The i-th of a sequence of matrices that are hard in different ways.
inline Matrix hard_matrix(DType type, int64_t rows, int64_t columns, uint32_t i) {
  const int64_t k = std::min(rows, columns);
  switch (i % 5) {
    case 0:
      return random_matrix(type, rows, columns, i);
    case 1:
      return random_matrix(type, rows, columns, graded(k, 1e6), i);
    case 2:
      return random_of_rank(type, rows, columns, k / 2, i);
    case 3:
      return random_of_rank(type, rows, columns, 1, i);
    default:
      return Matrix(rows, columns);
  }
}

// The same for Hermitian ones: of either sign, ill-conditioned, of half the rank and of rank one,
// with equal eigenvalues and with clusters of them, zero.
inline Matrix hard_hermitian(DType type, int64_t n, uint32_t i) {
  std::vector<double> values = graded(n, 1e3);
  switch (i % 7) {
    case 0:
      for (size_t k = 0; k < values.size(); k += 2) values[k] = -values[k];
      break;
    case 1:
      values = graded(n, 1e6);
      break;
    case 2:
      return hermitian_of_rank(type, n, n / 2, 1, i);
    case 3:
      return hermitian_of_rank(type, n, 1, -1, i);
    case 4:
      for (size_t k = 0; k < values.size(); ++k) values[k] = k % 3 == 0 ? -2 : 1;
      break;
    case 5:
      for (size_t k = 0; k < values.size(); ++k) {
        values[k] = static_cast<double>(k % 3) + 1e-9 * static_cast<double>(k);
      }
      break;
    default:
      return Matrix(n, n);
  }
  return random_hermitian(type, values, i);
}

inline Matrix positive_definite(DType type, int64_t n, uint32_t i) {
  return random_hermitian(type, graded(n, i % 2 == 0 ? 1e6 : 100), i);
}

// Matrices 0, 1, .. of a sequence, in a tensor with these axes before theirs; none is one matrix.
template <typename Make, typename... Size>
Batch batch_of(const Shape& axes, const Make& make, DType type, Size... size) {
  std::vector<Matrix> matrices;
  for (int64_t i = 0; i < element_count(axes); ++i) {
    matrices.push_back(make(type, size..., static_cast<uint32_t>(i)));
  }
  return {axes, std::move(matrices)};
}

}  // namespace nxv::testing
