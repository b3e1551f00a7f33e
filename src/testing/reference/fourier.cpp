#include "testing/reference/fourier.h"

#include <bit>
#include <cmath>

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

// Of elements start, start + stride, ...; `roots` are those of the whole length.
std::vector<LongComplex> direct(const std::vector<LongComplex>& x, size_t start, size_t stride,
                                const std::vector<LongComplex>& roots) {
  const size_t n = x.size() / stride;
  if (n == 1) return {x[start]};
  size_t p = 2;
  while (n % p != 0) ++p;
  std::vector<std::vector<LongComplex>> parts;
  for (size_t i = 0; i < p; ++i) {
    parts.push_back(direct(x, start + i * stride, stride * p, roots));
  }
  std::vector<LongComplex> result(n);
  for (size_t k = 0; k < n; ++k) {
    for (size_t i = 0; i < p; ++i) {
      result[k] += times(parts[i][k % (n / p)], roots[i * k % n * stride]);
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

HostTensor evaluate_fft(const Node& node, const HostTensor& input) {
  const auto& attr = node.attribute<FftAttr>();
  const int64_t n = node.shape.back();
  HostTensor out(node.dtype, node.shape);
  for (int64_t row = 0; row < node.count; row += n) {
    std::vector<LongComplex> x;
    for (int64_t i = 0; i < n; ++i) x.emplace_back(to_complex_double(input.at(row + i)));
    x = fourier(x, attr.inverse);
    for (int64_t i = 0; i < n; ++i) {
      const auto part = [&](long double v) {
        if (attr.inverse) v /= static_cast<long double>(n);
        return std::fabs(v) <= attr.epsilon ? 0.0 : static_cast<double>(v);
      };
      const LongComplex v = x[static_cast<size_t>(i)];
      out.set(row + i,
              make_scalar(node.dtype, std::complex<double>(part(v.real()), part(v.imag()))));
    }
  }
  return out;
}

}  // namespace nxv::reference
