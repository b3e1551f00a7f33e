#include "testing/linear/factors.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "testing/linear/matrix.h"

namespace nxv {
namespace {

using testing::Matrix;

// Takes the results of one matrix from a packed row, in their order.
class Reader {
 public:
  Reader(const HostTensor& packed, int64_t row)
      : packed_(packed), next_(row * packed.shape.back()) {}

  Matrix matrix(int64_t rows, int64_t columns) {
    Matrix m(rows, columns);
    for (auto& e : m.elements) e = to_complex_double(packed_.at(next_++));
    return m;
  }
  std::vector<double> numbers(int64_t count) {
    std::vector<double> list;
    for (const auto& e : matrix(count, 1).elements) list.push_back(e.real());
    return list;
  }

 private:
  const HostTensor& packed_;
  int64_t next_;
};

class Check {
 public:
  Check(DType type, const Matrix& x) : x_(x) {
    const auto size = static_cast<double>(std::max(x.rows, x.columns));
    tolerance_ = 10 * testing::epsilon_of(type) * std::sqrt(size);
  }

  void product(const Matrix& got, const Matrix& want) {
    const double size = norm(want), error = norm(got - want);
    expect(error <= tolerance_ * size, "the factors do not multiply to the matrix", error);
  }
  void product(const Matrix& got) { product(got, x_); }
  void orthonormal(const Matrix& columns) {
    const double error =
        testing::orthogonality_error(columns) / std::sqrt(static_cast<double>(columns.columns));
    expect(error <= tolerance_, "columns are not orthonormal", error);
  }
  void expect(bool holds, const std::string& otherwise, double by = 0) {
    if (!holds && wrong_.empty()) wrong_ = otherwise + ", error " + std::to_string(by);
  }
  const std::string& wrong() const { return wrong_; }

 private:
  const Matrix& x_;
  double tolerance_;
  std::string wrong_;
};

// Unit lower and upper triangle in one, the row of x that each of their product's is, the sign.
void check_lu(Check& check, const Matrix& x, Reader packed) {
  const int64_t n = x.rows;
  const Matrix both = packed.matrix(n, n);
  const std::vector<double> rows = packed.numbers(n);
  Matrix lower = testing::identity(n), upper(n, n), permuted(n, n);
  std::vector<bool> taken(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double row = rows[static_cast<size_t>(i)];
    const bool fits = row >= 0 && row < static_cast<double>(n) && row == std::floor(row);
    check.expect(fits && !taken[static_cast<size_t>(row)], "rows are not permuted");
    if (!fits) return;
    taken[static_cast<size_t>(row)] = true;
    for (int64_t j = 0; j < n; ++j) {
      (j < i ? lower : upper)(i, j) = both(i, j);
      permuted(i, j) = x(static_cast<int64_t>(row), j);
    }
  }
  check.product(lower * upper, permuted);
}

void check_qr(Check& check, const Matrix& x, int64_t length, Reader packed) {
  const int64_t least = std::min(x.rows, x.columns);
  const int64_t k = length == least * (x.rows + x.columns) ? least : x.rows;
  const Matrix q = packed.matrix(x.rows, k), r = packed.matrix(k, x.columns);
  check.product(q * r);
  check.orthonormal(q);
  for (int64_t i = 0; i < r.rows; ++i) {
    for (int64_t j = 0; j < std::min(i, r.columns); ++j) {
      check.expect(r(i, j) == 0.0, "r is no triangle");
    }
  }
}

// Of the Hermitian matrix whose lower triangle x has.
void check_eigh(Check& check, const Matrix& x, Reader packed) {
  Matrix whole = x;
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = i + 1; j < x.rows; ++j) whole(i, j) = std::conj(x(j, i));
    whole(i, i) = x(i, i).real();
  }
  const std::vector<double> values = packed.numbers(x.rows);
  const Matrix vectors = packed.matrix(x.rows, x.rows);
  check.product(scaled_columns(vectors, values) * adjoint(vectors), whole);
  check.orthonormal(vectors);
  for (size_t k = 1; k < values.size(); ++k) {
    check.expect(std::fabs(values[k - 1]) >= std::fabs(values[k]), "magnitudes ascend");
  }
}

void check_svd(Check& check, const Matrix& x, int64_t length, Reader packed) {
  const int64_t k = std::min(x.rows, x.columns);
  const bool full = length != k * (x.rows + 1 + x.columns);
  const Matrix u = packed.matrix(x.rows, full ? x.rows : k);
  const std::vector<double> values = packed.numbers(k);
  const Matrix vt = packed.matrix(full ? x.columns : k, x.columns);
  Matrix rows(k, x.columns);
  std::copy_n(vt.elements.begin(), rows.elements.size(), rows.elements.begin());
  check.product(scaled_columns(u, values) * rows);
  check.orthonormal(u);
  check.orthonormal(adjoint(vt));
  for (size_t i = 0; i < values.size(); ++i) {
    check.expect(values[i] >= (i + 1 < values.size() ? values[i + 1] : 0), "values ascend");
  }
}

}  // namespace

bool is_decomposition(Op op) {
  return op == Op::lu || op == Op::qr || op == Op::eigh || op == Op::svd;
}

std::string factor_error(const Node& node, const HostTensor& x, const HostTensor& got) {
  const int64_t length = got.shape.back();
  for (int64_t i = 0; i < got.count() / length; ++i) {
    const Matrix matrix = testing::matrix_of(x, i);
    Check check(node.dtype, matrix);
    const Reader packed(got, i);
    switch (node.op) {
      case Op::lu:
        check_lu(check, matrix, packed);
        break;
      case Op::qr:
        check_qr(check, matrix, length, packed);
        break;
      case Op::eigh:
        check_eigh(check, matrix, packed);
        break;
      case Op::svd:
        check_svd(check, matrix, length, packed);
        break;
      default:
        throw Error(Status::internal, std::string(name(node.op)) + " is no decomposition");
    }
    if (!check.wrong().empty()) return "matrix " + std::to_string(i) + ": " + check.wrong();
  }
  return {};
}

}  // namespace nxv
