#include "testing/reference/fourier.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace nxv::reference {
namespace {

constexpr long double kPi = 3.141592653589793238462643383279502884L;
constexpr size_t kLargestNaive = 64;

// Without the rescue of infinities, which costs most of the time.
LongComplex times(LongComplex a, LongComplex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// exp(-2 pi i k / n) for k < n.
std::vector<LongComplex> roots_of(size_t n) {
  std::vector<LongComplex> roots;
  for (size_t k = 0; k < n; ++k) {
    const long double angle = -2 * kPi * static_cast<long double>(k) / static_cast<long double>(n);
    roots.emplace_back(std::cos(angle), std::sin(angle));
  }
  return roots;
}

// Of the n elements start, start + stride, ...; `roots` are those of the whole length, n * stride.
std::vector<LongComplex> direct(const std::vector<LongComplex>& x, size_t start, size_t stride,
                                const std::vector<LongComplex>& roots) {
  const size_t n = x.size() / stride;
  size_t p = n % 4 == 0 ? 4 : 2;
  while (n > 1 && n % p != 0) ++p;
  // The p transforms of length n / p of every p-th element; single elements where n is p.
  std::vector<std::vector<LongComplex>> parts;
  for (size_t i = 0; n > p && i < p; ++i) {
    parts.push_back(direct(x, start + i * stride, stride * p, roots));
  }
  std::vector<LongComplex> result(n);
  for (size_t i = 0; i < std::min(n, p); ++i) {
    size_t angle = 0;  // i * k * stride
    for (size_t k = 0, j = 0; k < n; ++k) {
      result[k] += times(n > p ? parts[i][j] : x[start + i * stride], roots[angle]);
      if (++j == n / p) j = 0;
      if ((angle += i * stride) >= x.size()) angle -= x.size();
    }
  }
  return result;
}

size_t largest_prime_factor(size_t n) {
  size_t largest = 1;
  for (size_t p = 2; n > 1; ++p) {
    for (; n % p == 0; n /= p) largest = p;
  }
  return largest;
}

// Bluestein's algorithm.
std::vector<LongComplex> chirped(const std::vector<LongComplex>& x) {
  const size_t n = x.size(), size = std::bit_ceil(2 * n - 1);
  const std::vector<LongComplex> half_roots = roots_of(2 * n), roots = roots_of(size);
  const auto chirp = [&](size_t k) { return half_roots[k * k % (2 * n)]; };
  std::vector<LongComplex> a(size), b(size);
  for (size_t k = 0; k < n; ++k) {
    a[k] = times(x[k], chirp(k));
    b[k] = b[(size - k) % size] = std::conj(chirp(k));
  }
  a = direct(a, 0, 1, roots);
  b = direct(b, 0, 1, roots);
  for (size_t k = 0; k < size; ++k) a[k] = std::conj(times(a[k], b[k]));
  a = direct(a, 0, 1, roots);
  std::vector<LongComplex> result;
  for (size_t k = 0; k < n; ++k) {
    result.push_back(times(std::conj(a[k]) / static_cast<long double>(size), chirp(k)));
  }
  return result;
}

template <typename Transform>
std::vector<LongComplex> in_direction(std::vector<LongComplex> x, bool inverse,
                                      Transform&& forward) {
  if (!inverse) return forward(x);
  for (LongComplex& v : x) v = std::conj(v);
  x = forward(x);
  for (LongComplex& v : x) v = std::conj(v);
  return x;
}

}  // namespace

std::vector<LongComplex> naive_fourier(const std::vector<LongComplex>& x, bool inverse) {
  return in_direction(x, inverse, [](const std::vector<LongComplex>& y) {
    const size_t n = y.size();
    const std::vector<LongComplex> roots = roots_of(n);
    std::vector<LongComplex> result(n);
    for (size_t k = 0; k < n; ++k) {
      for (size_t j = 0; j < n; ++j) result[k] += times(y[j], roots[j * k % n]);
    }
    return result;
  });
}

std::vector<LongComplex> fourier(const std::vector<LongComplex>& x, bool inverse) {
  return in_direction(x, inverse, [](const std::vector<LongComplex>& y) {
    if (largest_prime_factor(y.size()) > kLargestNaive) return chirped(y);
    return direct(y, 0, 1, roots_of(y.size()));
  });
}

namespace {

// One row's transform, divided by the length for an inverse one.
std::vector<LongComplex> transform_row(const HostTensor& input, int64_t first, bool inverse) {
  const int64_t n = input.shape.back();
  std::vector<LongComplex> x;
  for (int64_t i = 0; i < n; ++i) x.emplace_back(to_complex_double(input.at(first + i)));
  x = fourier(x, inverse);
  if (inverse) {
    for (LongComplex& v : x) v /= static_cast<long double>(n);
  }
  return x;
}

}  // namespace

HostTensor evaluate_fft(const Node& node, const HostTensor& input) {
  const auto& attr = node.attribute<FftAttr>();
  const int64_t n = node.shape.back();
  HostTensor out(node.dtype, node.shape);
  for (int64_t row = 0; row < node.count; row += n) {
    const std::vector<LongComplex> x = transform_row(input, row, attr.inverse);
    for (int64_t i = 0; i < n; ++i) {
      const auto part = [&](long double v) {
        return std::fabs(v) <= attr.epsilon ? 0.0 : static_cast<double>(v);
      };
      const LongComplex v = x[static_cast<size_t>(i)];
      out.set(row + i,
              make_scalar(node.dtype, std::complex<double>(part(v.real()), part(v.imag()))));
    }
  }
  return out;
}

double fourier_error(const HostTensor& got, const HostTensor& input, bool inverse, int64_t step) {
  const int64_t n = got.shape.back();
  long double largest = 0;
  for (int64_t row = got.count() - n; row >= 0; row -= step * n) {
    const std::vector<LongComplex> want = transform_row(input, row, inverse);
    long double error = 0, norm = 0;
    for (int64_t i = 0; i < n; ++i) {
      const LongComplex w = want[static_cast<size_t>(i)];
      error += std::norm(LongComplex(to_complex_double(got.at(row + i))) - w);
      norm += std::norm(w);
    }
    const long double relative = std::sqrt(error / norm);
    if (std::isnan(relative)) return std::numeric_limits<double>::infinity();
    largest = std::max(largest, relative);
  }
  return static_cast<double>(largest);
}

}  // namespace nxv::reference
