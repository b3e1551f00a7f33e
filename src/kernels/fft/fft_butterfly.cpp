#include "kernels/fft/fft_butterfly.h"

#include <cmath>
#include <numbers>

namespace nxv::kernels {
namespace {

using ir::Value;

Complex operator+(const Complex& a, const Complex& b) { return {a.re + b.re, a.im + b.im}; }
Complex operator-(const Complex& a, const Complex& b) { return {a.re - b.re, a.im - b.im}; }

struct Root {
  double re, im;
};

// exp(2 pi i k / n), 0 <= 8k <= n: the angle is small enough for an error of an ULP.
Root small_root(int k, int n) {
  const long double angle = 6.283185307179586476925286766559005768L * k / n;
  return {static_cast<double>(std::cos(angle)), static_cast<double>(std::sin(angle))};
}

// The same for 0 <= k < n, by symmetry.
Root root(int k, int n) {
  if (2 * k > n) {
    const Root r = root(n - k, n);
    return {r.re, -r.im};
  }
  if (4 * k > n) {
    const Root r = root(n - 2 * k, 2 * n);
    return {-r.re, r.im};
  }
  if (8 * k > n) {
    const Root r = small_root(n - 4 * k, 4 * n);
    return {r.im, r.re};
  }
  return small_root(k, n);
}

// x exp(-2 pi i k / n). Multiples of a quarter turn move parts, those of an eighth share a factor:
// neither multiplies by 0 or 1.
Complex rotate(const Complex& x, int k, int n) {
  k %= n;
  if (8 * k % n == 0) {
    switch (8 * k / n) {
      case 0:
        return x;
      case 2:
        return {x.im, -x.re};
      case 4:
        return {-x.re, -x.im};
      case 6:
        return {-x.im, x.re};
      default: {
        const int quarters = 8 * k / n / 2;
        constexpr double kCosine = std::numbers::sqrt2 / 2;
        const Complex eighth{(x.re + x.im) * kCosine, (x.im - x.re) * kCosine};
        return rotate(eighth, quarters, 4);
      }
    }
  }
  const Root w = root(k, n);
  ir::Builder& b = x.re.builder();
  const Value c = like(x.re, w.re), s = like(x.re, w.im);
  return {b.fma(x.im, s, x.re * c), b.fma(x.im, c, -(x.re * s))};
}

// Of an odd prime number of elements: x[j] and x[p - j] share their products.
std::vector<Complex> prime_butterfly(const std::vector<Complex>& x) {
  const int p = static_cast<int>(x.size());
  ir::Builder& b = x[0].re.builder();
  std::vector<Complex> sums, differences;
  std::vector<Complex> result(x.size());
  result[0] = x[0];
  for (int j = 1; 2 * j < p; ++j) {
    sums.push_back(x[j] + x[p - j]);
    differences.push_back(x[j] - x[p - j]);
    result[0] = result[0] + sums.back();
  }
  for (int k = 1; 2 * k < p; ++k) {
    Complex even = x[0], odd;
    for (int j = 1; 2 * j < p; ++j) {
      const Root w = root(j * k % p, p);
      const Complex &sum = sums[j - 1], &difference = differences[j - 1];
      const Value c = like(sum.re, w.re), s = like(sum.re, w.im);
      even = {b.fma(sum.re, c, even.re), b.fma(sum.im, c, even.im)};
      odd = j == 1 ? Complex{difference.re * s, difference.im * s}
                   : Complex{b.fma(difference.re, s, odd.re), b.fma(difference.im, s, odd.im)};
    }
    const Complex turned{odd.im, -odd.re};
    result[k] = even + turned;
    result[p - k] = even - turned;
  }
  return result;
}

}  // namespace

Complex fma_multiply(const Complex& a, const Complex& b) {
  ir::Builder& builder = a.re.builder();
  return {builder.fma(a.re, b.re, -(a.im * b.im)), builder.fma(a.re, b.im, a.im * b.re)};
}

// Cooley and Tukey (Math. Comp. 19, 1965), with the factor next to the square root first.
std::vector<Complex> butterfly(const std::vector<Complex>& x) {
  const int r = static_cast<int>(x.size());
  if (r == 1) return x;
  if (r == 2) return {x[0] + x[1], x[0] - x[1]};
  int p = static_cast<int>(std::sqrt(r));
  while (r % p != 0) --p;
  if (p == 1) return prime_butterfly(x);
  const int q = r / p;
  std::vector<std::vector<Complex>> columns(p, std::vector<Complex>(q));
  for (int j = 0; j < q; ++j) {
    std::vector<Complex> column;
    for (int i = 0; i < p; ++i) column.push_back(x[q * i + j]);
    column = butterfly(column);
    for (int k = 0; k < p; ++k) columns[k][j] = rotate(column[k], j * k, r);
  }
  std::vector<Complex> result(x.size());
  for (int k = 0; k < p; ++k) {
    const std::vector<Complex> column = butterfly(columns[k]);
    for (int i = 0; i < q; ++i) result[k + p * i] = column[i];
  }
  return result;
}

}  // namespace nxv::kernels
