#include "testing/linear/linear_errors.h"

#include <algorithm>
#include <cmath>

#include "graph/build.h"
#include "library/registry.h"

namespace nxv::testing {
namespace {

// Nothing relative to nothing is nothing; NaN stays.
double relative(double error, double size) { return error == 0 ? 0 : error / size; }

double column_error(const Matrix& q) {
  return orthogonality_error(q) / std::sqrt(static_cast<double>(q.columns));
}

bool is_triangle(const Matrix& x, bool lower) {
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.columns; ++j) {
      if ((lower ? j > i : j < i) && x(i, j) != 0.0) return false;
    }
  }
  return true;
}

Matrix first_rows(const Matrix& x, size_t rows) {
  Matrix y(static_cast<int64_t>(rows), x.columns);
  std::copy_n(x.elements.begin(), y.elements.size(), y.elements.begin());
  return y;
}

// By elimination in extended precision.
std::complex<long double> exact_determinant(const Matrix& x) {
  using Extended = std::complex<long double>;
  const int64_t n = x.rows;
  std::vector<Extended> a(x.elements.begin(), x.elements.end());
  Extended product = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i) {
      if (std::abs(a[i * n + k]) > std::abs(a[pivot * n + k])) pivot = i;
    }
    if (pivot != k) product = -product;
    for (int64_t j = 0; j < n; ++j) std::swap(a[k * n + j], a[pivot * n + j]);
    product *= a[k * n + k];
    if (product == Extended(0)) return 0;
    for (int64_t i = k + 1; i < n; ++i) {
      const Extended factor = a[i * n + k] / a[k * n + k];
      for (int64_t j = k; j < n; ++j) a[i * n + j] -= factor * a[k * n + j];
    }
  }
  return product;
}

}  // namespace

LinearCall reference_call() {
  return [](const char* name, const std::vector<HostTensor>& operands,
            const std::vector<library::Option>& options) {
    const auto owner = host_graveyard();
    std::vector<NodeRef> nodes;
    for (const HostTensor& t : operands) {
      nodes.push_back(host_value(owner, t.dtype, t.shape, t.bytes));
    }
    return reference_evaluate(library::call(name, nodes, options));
  };
}

void Errors::add(const std::string& kind, double error) {
  const auto at =
      std::find_if(kinds.begin(), kinds.end(), [&](const Kind& k) { return k.name == kind; });
  if (at == kinds.end()) {
    kinds.push_back({kind, {error}});
  } else {
    at->of_matrix.push_back(error);
  }
}

void Errors::require(bool holds, const std::string& property) {
  if (!holds && broken.empty()) broken = property;
}

Errors lu_errors(const Measured& by, const Batch& a) {
  const auto results = by.call("lu", {tensor_of(by.type, a)}, {});
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const Matrix& x = a.matrices[i];
    const auto at = static_cast<int64_t>(i);
    const Matrix p = matrix_of(results[0], at), l = matrix_of(results[1], at);
    const Matrix u = matrix_of(results[2], at);
    errors.add("reconstruction", relative(norm(p * (l * u) - x), norm(x)));
    errors.require(orthogonality_error(p) == 0, "p is a permutation");
    errors.require(is_triangle(l, true), "l is a lower triangle");
    errors.require(is_triangle(u, false), "u is an upper triangle");
    for (int64_t k = 0; k < l.rows; ++k) errors.require(l(k, k) == 1.0, "l has a unit diagonal");
  }
  return errors;
}

Errors cholesky_errors(const Measured& by, const Batch& a) {
  const auto results = by.call("cholesky", {tensor_of(by.type, a)}, {});
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const Matrix& x = a.matrices[i];
    const Matrix l = matrix_of(results[0], static_cast<int64_t>(i));
    errors.add("reconstruction", relative(norm(l * adjoint(l) - x), norm(x)));
    errors.require(is_triangle(l, true), "l is a lower triangle");
  }
  return errors;
}

Errors qr_errors(const Measured& by, const Batch& a, bool complete) {
  const auto results =
      by.call("qr", {tensor_of(by.type, a)}, {{"complete", {complete ? 1 : 0}, {}}});
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const Matrix& x = a.matrices[i];
    const auto at = static_cast<int64_t>(i);
    const Matrix q = matrix_of(results[0], at), r = matrix_of(results[1], at);
    errors.add("reconstruction", relative(norm(q * r - x), norm(x)));
    errors.add("orthogonality", column_error(q));
    errors.require(is_triangle(r, false), "r is an upper triangle");
  }
  return errors;
}

Errors eigh_errors(const Measured& by, const Batch& a) {
  const auto results = by.call("eigh", {tensor_of(by.type, a)}, {});
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const Matrix& x = a.matrices[i];
    const auto at = static_cast<int64_t>(i);
    const std::vector<double> values = vector_of(results[0], at);
    const Matrix v = matrix_of(results[1], at);
    errors.add("reconstruction",
               relative(norm(scaled_columns(v, values) * adjoint(v) - x), norm(x)));
    errors.add("orthogonality", column_error(v));
    for (size_t k = 1; k < values.size(); ++k) {
      errors.require(std::abs(values[k - 1]) >= std::abs(values[k]), "magnitudes descend");
    }
  }
  return errors;
}

Errors svd_errors(const Measured& by, const Batch& a, bool full_matrices) {
  const auto results =
      by.call("svd", {tensor_of(by.type, a)}, {{"full_matrices", {full_matrices ? 1 : 0}, {}}});
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const Matrix& x = a.matrices[i];
    const auto at = static_cast<int64_t>(i);
    const Matrix u = matrix_of(results[0], at), vt = matrix_of(results[2], at);
    const std::vector<double> values = vector_of(results[1], at);
    const Matrix product = scaled_columns(u, values) * first_rows(vt, values.size());
    errors.add("reconstruction", relative(norm(product - x), norm(x)));
    errors.add("orthogonality of u", column_error(u));
    errors.add("orthogonality of v", column_error(adjoint(vt)));
    for (size_t k = 0; k < values.size(); ++k) {
      errors.require(values[k] >= (k + 1 < values.size() ? values[k + 1] : 0), "values descend");
    }
  }
  return errors;
}

Errors solve_errors(const Measured& by, const Batch& a, const Batch& b) {
  const auto results = by.call("solve", {tensor_of(by.type, a), tensor_of(by.type, b)}, {});
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const Matrix x = matrix_of(results[0], static_cast<int64_t>(i));
    const double size = norm(a.matrices[i]) * norm(x) + norm(b.matrices[i]);
    errors.add("residual", relative(norm(a.matrices[i] * x - b.matrices[i]), size));
  }
  return errors;
}

Errors invert_errors(const Measured& by, const Batch& a) {
  const auto results = by.call("invert", {tensor_of(by.type, a)}, {});
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const Matrix x = matrix_of(results[0], static_cast<int64_t>(i));
    const Matrix product = a.matrices[i] * x - identity(x.rows);
    errors.add("residual", relative(norm(product), norm(a.matrices[i]) * norm(x)));
  }
  return errors;
}

// det(a + e) = det(a) (1 + trace(a^-1 e)) to first order.
Errors determinant_errors(const Measured& by, const Batch& a) {
  const auto results = by.call("determinant", {tensor_of(by.type, a)}, {});
  const DType wide = is_complex(by.type) ? DType::c128 : DType::f64;
  const HostTensor inverses = reference_call()("invert", {tensor_of(wide, a)}, {})[0];
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const std::complex<long double> exact = exact_determinant(a.matrices[i]);
    const std::complex<long double> got = to_complex_double(results[0].at(at));
    const auto sensitivity = std::abs(exact) * norm(a.matrices[i]) * norm(matrix_of(inverses, at));
    errors.add("error", relative(static_cast<double>(std::abs(got - exact)),
                                 static_cast<double>(sensitivity)));
  }
  return errors;
}

Errors triangular_errors(const Measured& by, const Batch& a, const Batch& b,
                         const TriangularVariant& variant) {
  const auto results = by.call("triangular_solve", {tensor_of(by.type, a), tensor_of(by.type, b)},
                               {{"lower", {variant.lower ? 1 : 0}, {}},
                                {"left_side", {variant.left_side ? 1 : 0}, {}},
                                {"transform", {variant.transform}, {}}});
  Errors errors;
  for (size_t i = 0; i < a.matrices.size(); ++i) {
    const Matrix& whole = a.matrices[i];
    Matrix t(whole.rows, whole.columns);
    for (int64_t row = 0; row < t.rows; ++row) {
      for (int64_t column = 0; column < t.columns; ++column) {
        if (variant.lower ? column > row : column < row) continue;
        const std::complex<double> e = whole(row, column);
        (variant.transform == 1 ? t(column, row) : t(row, column)) =
            variant.transform == 2 ? std::conj(e) : e;
      }
    }
    const Matrix x = matrix_of(results[0], static_cast<int64_t>(i)), &right = b.matrices[i];
    const Matrix product = variant.left_side ? t * x : x * t;
    errors.add("residual", relative(norm(product - right), norm(t) * norm(x) + norm(right)));
  }
  return errors;
}

}  // namespace nxv::testing
