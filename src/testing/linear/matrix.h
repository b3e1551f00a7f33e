// Small dense matrices on the host, for tests of linear algebra.
#pragma once

#include <complex>
#include <cstdint>
#include <vector>

#include "testing/reference/reference.h"

namespace nxv::testing {

struct Matrix {
  int64_t rows = 0, columns = 0;
  std::vector<std::complex<double>> elements;

  Matrix(int64_t rows, int64_t columns)
      : rows(rows), columns(columns), elements(static_cast<size_t>(rows * columns)) {}
  std::complex<double>& operator()(int64_t i, int64_t j) { return elements[i * columns + j]; }
  const std::complex<double>& operator()(int64_t i, int64_t j) const {
    return elements[i * columns + j];
  }
};

// A tensor of matrices of one size.
struct Batch {
  std::vector<Matrix> matrices;
  Shape axes;  // those before the matrices'

  Batch(std::vector<Matrix> matrices)
      : matrices(std::move(matrices)), axes{static_cast<int64_t>(this->matrices.size())} {}
  Batch(Shape axes, std::vector<Matrix> matrices)
      : matrices(std::move(matrices)), axes(std::move(axes)) {}
};

Matrix identity(int64_t n);
Matrix adjoint(const Matrix& x);
Matrix operator*(const Matrix& x, const Matrix& y);
Matrix operator-(const Matrix& x, const Matrix& y);
double norm(const Matrix& x);  // Frobenius

// Columns are multiplied by `values`, rows x values.size().
Matrix scaled_columns(Matrix x, const std::vector<double>& values);

// Of a batch of matrices, and back; vectors are matrices of one column.
Matrix matrix_of(const HostTensor& t, int64_t index = 0);
std::vector<double> vector_of(const HostTensor& t, int64_t index = 0);
HostTensor tensor_of(DType type, const Batch& batch);
// Real elements in row-major order, and back whatever the shape.
HostTensor matrix(DType type, int64_t rows, int64_t columns, const std::vector<double>& elements);
std::vector<double> numbers(const HostTensor& t);

Matrix rounded(DType type, Matrix x);

// Elements from a normal distribution, rounded to type.
Matrix random_matrix(DType type, int64_t rows, int64_t columns, uint32_t seed);
// With the given singular values, up to rounding.
Matrix random_matrix(DType type, int64_t rows, int64_t columns, const std::vector<double>& values,
                     uint32_t seed);
// Hermitian with the given eigenvalues, up to rounding.
Matrix random_hermitian(DType type, const std::vector<double>& values, uint32_t seed);
// Small integers, exactly of this rank unless chance lowers it: the product of two factors.
Matrix random_of_rank(DType type, int64_t rows, int64_t columns, int64_t rank, uint32_t seed);
// The same for l l^H, times sign.
Matrix hermitian_of_rank(DType type, int64_t n, int64_t rank, double sign, uint32_t seed);
// 1 ... 1 / condition, evenly spaced by ratio; the last `zeros` of them zero.
std::vector<double> graded(int64_t n, double condition, int64_t zeros = 0);

double epsilon_of(DType type);                // of its parts
double orthogonality_error(const Matrix& q);  // |q^H q - 1|

}  // namespace nxv::testing
