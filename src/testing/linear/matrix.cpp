#include "testing/linear/matrix.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "base/scalar.h"

namespace nxv::testing {
namespace {

// -2 ... 2
Matrix random_integers(DType type, int64_t rows, int64_t columns, uint32_t seed) {
  std::mt19937 random(seed);
  Matrix x(rows, columns);
  const auto draw = [&] { return static_cast<double>(random() % 5) - 2; };
  for (auto& e : x.elements) {
    const double re = draw();
    e = {re, is_complex(type) ? draw() : 0};
  }
  return x;
}

// Orthonormal columns, by Gram and Schmidt done twice.
Matrix random_orthogonal(DType type, int64_t rows, int64_t columns, uint32_t seed) {
  Matrix q = random_matrix(is_complex(type) ? DType::c128 : DType::f64, rows, columns, seed);
  for (int64_t j = 0; j < columns; ++j) {
    for (int pass = 0; pass < 2; ++pass) {
      for (int64_t k = 0; k < j; ++k) {
        std::complex<double> overlap = 0;
        for (int64_t i = 0; i < rows; ++i) overlap += std::conj(q(i, k)) * q(i, j);
        for (int64_t i = 0; i < rows; ++i) q(i, j) -= overlap * q(i, k);
      }
    }
    double length = 0;
    for (int64_t i = 0; i < rows; ++i) length += std::norm(q(i, j));
    for (int64_t i = 0; i < rows; ++i) q(i, j) /= std::sqrt(length);
  }
  return q;
}

}  // namespace

Matrix rounded(DType type, Matrix x) {
  for (auto& e : x.elements) {
    if (!is_complex(type)) e = e.real();
    e = is_complex(type) ? to_complex_double(make_scalar(type, e))
                         : std::complex<double>(to_double(make_scalar(type, e.real())));
  }
  return x;
}

Matrix identity(int64_t n) {
  Matrix x(n, n);
  for (int64_t i = 0; i < n; ++i) x(i, i) = 1;
  return x;
}

Matrix adjoint(const Matrix& x) {
  Matrix y(x.columns, x.rows);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.columns; ++j) y(j, i) = std::conj(x(i, j));
  }
  return y;
}

Matrix operator*(const Matrix& x, const Matrix& y) {
  Matrix z(x.rows, y.columns);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t k = 0; k < x.columns; ++k) {
      const double re = x(i, k).real(), im = x(i, k).imag();
      for (int64_t j = 0; j < y.columns; ++j) {
        const std::complex<double>& e = y(k, j);
        z(i, j) +=
            std::complex<double>(re * e.real() - im * e.imag(), re * e.imag() + im * e.real());
      }
    }
  }
  return z;
}

Matrix operator-(const Matrix& x, const Matrix& y) {
  Matrix z = x;
  for (size_t i = 0; i < z.elements.size(); ++i) z.elements[i] -= y.elements[i];
  return z;
}

double norm(const Matrix& x) {
  double sum = 0;
  for (const auto& e : x.elements) sum += std::norm(e);
  return std::sqrt(sum);
}

Matrix scaled_columns(Matrix x, const std::vector<double>& values) {
  Matrix y(x.rows, static_cast<int64_t>(values.size()));
  for (int64_t i = 0; i < y.rows; ++i) {
    for (int64_t j = 0; j < y.columns; ++j) y(i, j) = x(i, j) * values[j];
  }
  return y;
}

Matrix matrix_of(const HostTensor& t, int64_t index) {
  Matrix x(t.shape[t.shape.size() - 2], t.shape.back());
  const int64_t first = index * x.rows * x.columns;
  for (int64_t i = 0; i < x.rows * x.columns; ++i) {
    x.elements[i] = to_complex_double(t.at(first + i));
  }
  return x;
}

std::vector<double> vector_of(const HostTensor& t, int64_t index) {
  std::vector<double> v(t.shape.back());
  for (size_t i = 0; i < v.size(); ++i) {
    v[i] = to_complex_double(t.at(index * t.shape.back() + static_cast<int64_t>(i))).real();
  }
  return v;
}

HostTensor matrix(DType type, int64_t rows, int64_t columns, const std::vector<double>& elements) {
  HostTensor t(type, {rows, columns});
  for (size_t i = 0; i < elements.size(); ++i) {
    t.set(static_cast<int64_t>(i), make_scalar(type, elements[i]));
  }
  return t;
}

std::vector<double> numbers(const HostTensor& t) {
  std::vector<double> list;
  for (int64_t i = 0; i < t.count(); ++i) list.push_back(to_complex_double(t.at(i)).real());
  return list;
}

HostTensor tensor_of(DType type, const Batch& batch) {
  Shape shape = batch.axes;
  shape.insert(shape.end(), {batch.matrices[0].rows, batch.matrices[0].columns});
  HostTensor t(type, shape);
  int64_t at = 0;
  for (const Matrix& x : batch.matrices) {
    for (const auto& e : x.elements) {
      t.set(at++, is_complex(type) ? make_scalar(type, e) : make_scalar(type, e.real()));
    }
  }
  return t;
}

Matrix random_matrix(DType type, int64_t rows, int64_t columns, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Matrix x(rows, columns);
  for (auto& e : x.elements) {
    const double re = normal(random);
    e = {re, is_complex(type) ? normal(random) : 0};
  }
  return rounded(type, x);
}

Matrix random_matrix(DType type, int64_t rows, int64_t columns, const std::vector<double>& values,
                     uint32_t seed) {
  const auto k = static_cast<int64_t>(values.size());
  const Matrix u = random_orthogonal(type, rows, k, seed);
  const Matrix v = random_orthogonal(type, columns, k, seed + 1);
  return rounded(type, scaled_columns(u, values) * adjoint(v));
}

Matrix random_hermitian(DType type, const std::vector<double>& values, uint32_t seed) {
  const auto n = static_cast<int64_t>(values.size());
  const Matrix q = random_orthogonal(type, n, n, seed);
  Matrix x = rounded(type, scaled_columns(q, values) * adjoint(q));
  for (int64_t i = 0; i < n; ++i) {
    x(i, i) = x(i, i).real();
    for (int64_t j = 0; j < i; ++j) x(j, i) = std::conj(x(i, j));
  }
  return x;
}

Matrix random_of_rank(DType type, int64_t rows, int64_t columns, int64_t rank, uint32_t seed) {
  const Matrix left = random_integers(type, rows, rank, seed);
  return left * random_integers(type, rank, columns, seed + 1);
}

Matrix hermitian_of_rank(DType type, int64_t n, int64_t rank, double sign, uint32_t seed) {
  const Matrix factor = random_integers(type, n, rank, seed);
  return scaled_columns(factor, std::vector<double>(rank, sign)) * adjoint(factor);
}

std::vector<double> graded(int64_t n, double condition, int64_t zeros) {
  std::vector<double> values(n, 0);
  const int64_t kept = n - zeros;
  for (int64_t i = 0; i < kept; ++i) {
    values[i] = std::pow(condition, kept > 1 ? -static_cast<double>(i) / (kept - 1) : 0.0);
  }
  return values;
}

double epsilon_of(DType type) {
  const DType part = to_real(type);
  if (part == DType::f64) return 0x1p-52;
  if (part == DType::f16) return 0x1p-10;
  if (part == DType::bf16) return 0x1p-7;
  return 0x1p-23;
}

double orthogonality_error(const Matrix& q) { return norm(adjoint(q) * q - identity(q.columns)); }

}  // namespace nxv::testing
