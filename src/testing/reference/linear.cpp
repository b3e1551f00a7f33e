#include "testing/reference/linear.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "testing/linear/matrix.h"

namespace nxv::reference {
namespace {

using testing::Matrix;
using Complex = std::complex<double>;

// The numbers of one matrix's results, in the order in which they are packed.
using Packed = std::vector<Complex>;

void append(Packed& to, const Matrix& x) {
  to.insert(to.end(), x.elements.begin(), x.elements.end());
}

Matrix transpose(const Matrix& x) {
  Matrix y(x.columns, x.rows);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < x.columns; ++j) y(j, i) = x(i, j);
  }
  return y;
}

// ---- Triangular systems ----

Matrix solve_triangular(Matrix a, const Matrix& b, const TriangularAttr& attr) {
  if (attr.conjugate) {
    for (Complex& e : a.elements) e = std::conj(e);
  }
  bool lower = attr.lower;
  if (attr.transpose == attr.left_side) {
    a = transpose(a);
    lower = !lower;
  }
  Matrix x = attr.left_side ? b : transpose(b);
  const int64_t n = a.rows;
  for (int64_t column = 0; column < x.columns; ++column) {
    for (int64_t step = 0; step < n; ++step) {
      const int64_t i = lower ? step : n - 1 - step;
      Complex sum = x(i, column);
      for (int64_t j = lower ? 0 : i + 1; j < (lower ? i : n); ++j) sum -= a(i, j) * x(j, column);
      if (a(i, i) == 0.0) throw Error(Status::singular, "can't solve for singular matrix");
      x(i, column) = sum / a(i, i);
    }
  }
  return attr.left_side ? x : transpose(x);
}

HostTensor evaluate_triangular(const Node& node, const HostTensor& a, const HostTensor& b) {
  const auto& attr = node.attribute<TriangularAttr>();
  const int64_t n = a.shape.back(), size = n * n;
  const bool is_vector = b.shape.size() < a.shape.size();
  HostTensor out(node.dtype, node.shape);
  const int64_t batch = a.count() / size, elements = b.count() / batch;
  for (int64_t m = 0; m < batch; ++m) {
    Matrix right = attr.left_side ? Matrix(n, elements / n) : Matrix(elements / n, n);
    if (is_vector && !attr.left_side) right = Matrix(1, n);
    for (int64_t i = 0; i < elements; ++i) {
      right.elements[i] = to_complex_double(b.at(m * elements + i));
    }
    const Matrix x = solve_triangular(testing::matrix_of(a, m), right, attr);
    for (int64_t i = 0; i < elements; ++i) {
      out.set(m * elements + i, is_complex(node.dtype)
                                    ? make_scalar(node.dtype, x.elements[i])
                                    : make_scalar(node.dtype, x.elements[i].real()));
    }
  }
  return out;
}

// ---- Decompositions ----

Packed cholesky(const Matrix& a) {
  const int64_t n = a.rows;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  Matrix l(n, n);
  bool is_positive = true;
  for (int64_t j = 0; j < n; ++j) {
    double pivot = a(j, j).real();
    for (int64_t k = 0; k < j; ++k) pivot -= std::norm(l(j, k));
    is_positive &= pivot >= 0;
    const double root = is_positive ? std::sqrt(pivot) : nan;
    l(j, j) = root;
    for (int64_t i = j + 1; i < n; ++i) {
      Complex sum = a(i, j);
      for (int64_t k = 0; k < j; ++k) sum -= l(i, k) * std::conj(l(j, k));
      is_positive &= root != 0 || sum == 0.0;
      l(i, j) = root == 0 && sum == 0.0 ? 0 : is_positive ? sum / root : nan;
    }
  }
  Packed packed;
  append(packed, l);
  return packed;
}

Packed lu(Matrix a) {
  const int64_t n = a.rows;
  std::vector<int64_t> permutation(n);
  std::iota(permutation.begin(), permutation.end(), 0);
  double sign = 1;
  for (int64_t k = 0; k < n; ++k) {
    int64_t pivot = k;
    for (int64_t i = k + 1; i < n; ++i) {
      if (std::abs(a(i, k)) > std::abs(a(pivot, k)) || std::isnan(std::abs(a(i, k)))) pivot = i;
    }
    if (pivot != k) {
      sign = -sign;
      std::swap(permutation[k], permutation[pivot]);
      for (int64_t j = 0; j < n; ++j) std::swap(a(k, j), a(pivot, j));
    }
    for (int64_t i = k + 1; i < n; ++i) {
      if (a(k, k) != 0.0) a(i, k) /= a(k, k);
      for (int64_t j = k + 1; j < n; ++j) a(i, j) -= a(i, k) * a(k, j);
    }
  }
  Packed packed;
  append(packed, a);
  for (const int64_t row : permutation) packed.emplace_back(static_cast<double>(row));
  packed.emplace_back(sign);
  return packed;
}

struct Qr {
  Matrix q, r;
};
// Q is square. Reflections make a real diagonal positive and negate a complex one's phase; one
// that has nothing to clear is left out if it is real or the last of a square matrix.
Qr reflect(Matrix r, bool is_complex) {
  const int64_t m = r.rows, n = r.columns;
  Matrix q = testing::identity(m);
  const int64_t count = is_complex && m < n ? m : std::min(m - 1, n);
  for (int64_t k = 0; k < count; ++k) {
    double tail = 0, whole = 0;
    for (int64_t i = 0; i < m; ++i) whole += std::norm(r(i, k));
    for (int64_t i = k + 1; i < m; ++i) tail += std::norm(r(i, k));
    const Complex head = r(k, k);
    const double length = std::sqrt(std::norm(head) + tail), noise = 0x1p-100 * whole;
    if (length * length <= noise || (!is_complex && tail <= noise)) continue;
    std::vector<Complex> v(m);
    for (int64_t i = k + 1; i < m; ++i) v[i] = r(i, k);
    if (is_complex) {
      v[k] = head + (head == 0.0 ? 1.0 : head / std::abs(head)) * length;
    } else {
      v[k] = head.real() <= 0 ? head.real() - length : -tail / (head.real() + length);
    }
    const double square = tail + std::norm(v[k]);
    const auto apply = [&](Matrix& x, bool from_left) {
      for (int64_t other = 0; other < (from_left ? x.columns : x.rows); ++other) {
        const auto at = [&](int64_t i) -> Complex& {
          return from_left ? x(i, other) : x(other, i);
        };
        Complex sum = 0;
        for (int64_t i = k; i < m; ++i) sum += (from_left ? std::conj(v[i]) : v[i]) * at(i);
        for (int64_t i = k; i < m; ++i) {
          at(i) -= 2 / square * sum * (from_left ? v[i] : std::conj(v[i]));
        }
      }
    };
    apply(r, true);
    apply(q, false);
    for (int64_t i = k + 1; i < m; ++i) r(i, k) = 0;
  }
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < std::min(i, n); ++j) r(i, j) = 0;
  }
  return {q, r};
}

Packed qr(const Matrix& a, bool is_complex, int64_t packed_length) {
  const int64_t m = a.rows, n = a.columns;
  const int64_t k = packed_length == m * m + m * n ? m : std::min(m, n);
  const Qr parts = reflect(a, is_complex);
  Packed packed;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < k; ++j) packed.push_back(parts.q(i, j));
  }
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j < n; ++j) packed.push_back(parts.r(i, j));
  }
  return packed;
}

// The tournament of Brent and Luk: who is at the top and at the bottom of each column of a table.
class Tournament {
 public:
  explicit Tournament(int64_t size) : top_(size / 2), bottom_(size / 2) {
    std::iota(top_.begin(), top_.end(), 0);
    std::iota(bottom_.begin(), bottom_.end(), size / 2);
  }
  size_t pairs() const { return top_.size(); }
  int64_t top(size_t i) const { return top_[i]; }
  int64_t bottom(size_t i) const { return bottom_[i]; }
  void next() {
    if (pairs() < 2) return;
    const int64_t last = top_.back();
    top_.insert(top_.begin() + 1, bottom_.front());
    top_.pop_back();
    bottom_.erase(bottom_.begin());
    bottom_.push_back(last);
  }

 private:
  std::vector<int64_t> top_, bottom_;
};

// t = tan of the angle that makes the off-diagonal element `off` vanish.
double tangent(double top, double bottom, double off) {
  const double tau = (bottom - top) / (2 * off), root = std::sqrt(1 + tau * tau);
  return 1 / (tau + (tau >= 0 ? root : -root));
}

std::vector<int64_t> order_of(const std::vector<double>& values) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    if (std::isnan(values[i]) || std::isnan(values[j])) {
      return std::isnan(values[i]) && !std::isnan(values[j]);
    }
    return std::abs(values[i]) > std::abs(values[j]);
  });
  return order;
}

constexpr int kSweeps = 60;

Packed eigh(const Matrix& operand) {
  const int64_t n = operand.rows, size = n + n % 2;
  Matrix a(size, size), v = testing::identity(size);
  double largest = 0;
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      a(i, j) = i == j ? operand(i, j).real() : operand(i, j);
      a(j, i) = std::conj(a(i, j));
      largest = std::max(largest, std::abs(a(i, j)));
    }
  }
  double met = largest;
  for (int sweep = 0; sweep < kSweeps && met > 0x1p-58 * largest; ++sweep) {
    const double threshold = std::max(sweep == 0 ? 0 : met * 0x1p-17, 0x1p-59 * largest);
    met = 0;
    Tournament rows(size);
    for (int64_t round = 0; round + 1 < size; ++round, rows.next()) {
      for (size_t pair = 0; pair < rows.pairs(); ++pair) {
        const int64_t p = rows.top(pair), q = rows.bottom(pair);
        const Complex off = a(p, q);
        met = std::max(met, std::abs(off));
        if (!(std::abs(off) > threshold)) continue;
        const double t = tangent(a(p, p).real(), a(q, q).real(), std::abs(off));
        const double c = 1 / std::sqrt(1 + t * t), versine = t * c * t * c / (1 + c);
        const Complex s = t * c * std::conj(off) / std::abs(off);
        // As corrections: many cosines that round to one would lengthen the vectors.
        const auto rotate = [&](Complex& x, Complex& y, Complex sine) {
          const Complex turned = x - (versine * x + std::conj(sine) * y);
          y -= versine * y - sine * x;
          x = turned;
        };
        for (int64_t j = 0; j < size; ++j) {
          rotate(a(p, j), a(q, j), s);
          rotate(v(p, j), v(q, j), s);
        }
        for (int64_t i = 0; i < size; ++i) rotate(a(i, p), a(i, q), std::conj(s));
      }
    }
  }
  std::vector<double> values(n);
  for (int64_t i = 0; i < n; ++i) values[i] = a(i, i).real();
  const std::vector<int64_t> order = order_of(values);
  Packed packed;
  for (const int64_t i : order) packed.emplace_back(values[i]);
  for (int64_t i = 0; i < n; ++i) {
    for (const int64_t j : order) packed.push_back(std::conj(v(j, i)));
  }
  return packed;
}

// Rows x of `rows` lie as columns of the matrix; the second halves record the rotations.
void make_orthogonal(Matrix& rows, int64_t length) {
  const int64_t count = rows.rows;
  double met = 1;
  for (int sweep = 0; sweep < kSweeps && met > 0x1p-52; ++sweep) {
    met = 0;
    Tournament pairs(count);
    for (int64_t round = 0; round + 1 < count; ++round, pairs.next()) {
      for (size_t pair = 0; pair < pairs.pairs(); ++pair) {
        const int64_t p = pairs.top(pair), q = pairs.bottom(pair);
        double alpha = 0, beta = 0, gamma = 0;
        for (int64_t i = 0; i < length; ++i) {
          alpha += std::norm(rows(p, i));
          beta += std::norm(rows(q, i));
          gamma += rows(p, i).real() * rows(q, i).real();
        }
        const double bound = std::sqrt(alpha) * std::sqrt(beta);
        if (!(std::abs(gamma) > 0x1p-52 * bound)) continue;
        met = std::max(met, std::abs(gamma) / bound);
        const double t = tangent(alpha, beta, gamma), c = 1 / std::sqrt(1 + t * t);
        for (int64_t i = 0; i < rows.columns; ++i) {
          const Complex x = rows(p, i), y = rows(q, i);
          rows(p, i) = c * x - t * c * y;
          rows(q, i) = t * c * x + c * y;
        }
      }
    }
  }
}

Packed svd(const Matrix& operand, int64_t packed_length) {
  const bool turned = operand.rows < operand.columns;
  const Matrix a = turned ? transpose(operand) : operand;
  const int64_t m = a.rows, n = a.columns;
  // Columns of a and of the identity side by side, as rows.
  Matrix rows(n + n % 2, m + n);
  for (int64_t j = 0; j < n; ++j) {
    for (int64_t i = 0; i < m; ++i) rows(j, i) = a(i, j);
    rows(j, m + j) = 1;
  }
  make_orthogonal(rows, m);
  std::vector<double> values(n);
  for (int64_t j = 0; j < n; ++j) {
    double square = 0;
    for (int64_t i = 0; i < m; ++i) square += std::norm(rows(j, i));
    values[j] = std::sqrt(square);
  }
  const std::vector<int64_t> order = order_of(values);
  Matrix product(m, n), v(n, n);
  for (int64_t j = 0; j < n; ++j) {
    double largest = 0, sign = 0;
    for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(rows(order[j], m + i)));
    for (int64_t i = n; i-- > 0;) {
      const double x = rows(order[j], m + i).real();
      if (std::abs(x) >= (1 - 1e-3) * largest) sign = x < 0 ? -1 : 1;
    }
    for (int64_t i = 0; i < m; ++i) product(i, j) = sign * rows(order[j], i);
    for (int64_t i = 0; i < n; ++i) v(i, j) = sign * rows(order[j], m + i);
  }
  const Qr parts = reflect(product, false);
  Matrix u = parts.q;
  for (int64_t j = 0; j < n; ++j) {
    if (parts.r(j, j).real() >= 0) continue;
    for (int64_t i = 0; i < m; ++i) u(i, j) = -u(i, j);
  }
  const int64_t columns = packed_length == m * m + n + n * n ? m : n;
  Matrix kept(m, columns);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < columns; ++j) kept(i, j) = u(i, j);
  }
  Packed packed;
  append(packed, turned ? v : kept);
  for (const int64_t j : order) packed.emplace_back(values[j]);
  append(packed, transpose(turned ? kept : v));
  return packed;
}

Packed decompose(const Node& node, const Matrix& a) {
  switch (node.op) {
    case Op::cholesky:
      return cholesky(a);
    case Op::lu:
      return lu(a);
    case Op::qr:
      return qr(a, is_complex(node.dtype), node.shape.back());
    case Op::eigh:
      return eigh(a);
    case Op::svd:
      return svd(a, node.shape.back());
    default:
      throw Error(Status::internal, std::string(name(node.op)) + " has no reference");
  }
}

}  // namespace

HostTensor evaluate_linear(const Node& node, std::span<const HostTensor* const> inputs) {
  if (node.op == Op::triangular_solve) return evaluate_triangular(node, *inputs[0], *inputs[1]);
  const HostTensor& a = *inputs[0];
  HostTensor out(node.dtype, node.shape);
  int64_t at = 0;
  for (int64_t m = 0; at < out.count(); ++m) {
    for (const Complex& e : decompose(node, testing::matrix_of(a, m))) {
      out.set(at++, is_complex(node.dtype) ? make_scalar(node.dtype, e)
                                           : make_scalar(node.dtype, e.real()));
    }
  }
  return out;
}

}  // namespace nxv::reference
