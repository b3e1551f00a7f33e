// Fourier transforms. By custom a complex one of n numbers counts 5 n log2(n) operations, a real
// one half of that.
#include <array>
#include <cmath>
#include <complex>
#include <numbers>

#include "benchmarks.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

using Complex = std::complex<double>;

// exp(-2 pi i k j / n) for j = 0, 1, ...
class Roots {
 public:
  Roots(int64_t k, int64_t n) : k_(k), n_(n), step_(at(1)) {}
  Complex next() {
    // Errors of the products do not add up.
    constexpr int64_t kRenewed = 64;
    root_ = j_ % kRenewed == 0 ? at(j_) : root_ * step_;
    ++j_;
    return root_;
  }

 private:
  Complex at(int64_t j) const {
    const double turns = static_cast<double>(j * k_ % n_) / static_cast<double>(n_);
    return std::polar(1.0, -2 * std::numbers::pi * turns);
  }
  int64_t k_, n_, j_ = 0;
  Complex step_, root_;
};

enum class Kind { complex, real, plane };

struct Case {
  Kind kind;
  const char* name;
  int64_t rows, columns;
};

Measurement transform(Bench& bench, const Case& c) {
  const int64_t rows = c.rows, n = c.columns, outputs = c.kind == Kind::real ? n / 2 + 1 : n;
  const NodeRef re = bench.session.uniform({rows, n}, -1, 1);
  const NodeRef im = bench.session.uniform({rows, n}, -1, 1);
  NodeRef x = re;
  if (c.kind != Kind::real) {
    const NodeRef i = constant(bench.session.owner(), make_scalar(DType::c64, Complex(0, 1)), {});
    x = elementwise(Op::add, {re, elementwise(Op::multiply, {im, i})});
    bench.session.evaluate(x);
  }
  Measurement m{c.name, matrix(rows, n)};
  m.unit = Unit::flops;
  const double points = static_cast<double>(c.kind == Kind::plane ? rows * n : n);
  m.amount = 5 * static_cast<double>(rows * n) * std::log2(points);
  if (c.kind == Kind::real) m.amount /= 2;
  bench.time(m, [&] { return library::call(c.name, std::array{x}, {}).at(0); });

  // ||error|| / ||expected|| of some outputs: of the last row, or of the plane.
  const int64_t first = c.kind == Kind::plane ? 0 : rows - 1, lines = rows - first;
  const auto a = bench.session.floats(part(re, {first, 0}, {lines, n}));
  std::vector<float> b(a.size());
  if (c.kind != Kind::real) b = bench.session.floats(part(im, {first, 0}, {lines, n}));
  double errors = 0, norm = 0;
  const int64_t samples = n * lines > int64_t{1} << 20 ? 2 : 8;
  for (int64_t s = 0; s < samples; ++s) {
    const int64_t k = s * 0x9e3779b1 % outputs;
    const int64_t l = c.kind == Kind::plane ? (s * 0x85ebca6b + 1) % rows : 0;
    Complex sum = 0;
    Roots down(l, lines);
    for (int64_t i = 0; i < lines; ++i) {
      Complex line = 0;
      Roots across(k, n);
      for (int64_t j = 0; j < n; ++j) {
        const auto at = static_cast<size_t>(i * n + j);
        line += Complex(a[at], b[at]) * across.next();
      }
      sum += line * down.next();
    }
    const NodeRef output = part(bench.value, {first + l, k}, {1, 1});
    const Complex got(bench.session.floats(elementwise(Op::real, {output}))[0],
                      bench.session.floats(elementwise(Op::imag, {output}))[0]);
    errors += std::norm(got - sum);
    norm += std::norm(sum);
  }
  m.error = std::isnan(errors) ? wrong_unless(false) : std::sqrt(errors / norm);
  m.bound = 2e-6;
  return m;
}

}  // namespace

Measurements transforms(Bench& bench) {
  const bool cpu = bench.is_cpu();
  const int64_t side = cpu ? 512 : 4096, million = int64_t{1} << 20;
  std::vector<Case> cases = {{Kind::complex, "fft", 1, million}};
  if (!cpu) cases.push_back({Kind::complex, "fft", 1, 16 * million});
  cases.push_back({Kind::complex, "fft", side, side});
  cases.push_back({Kind::complex, "fft", 1, cpu ? 100003 : 1000003});  // a prime
  cases.push_back({Kind::plane, "fft2", side, side});
  cases.push_back({Kind::real, "rfft", 1, cpu ? million : 16 * million});
  cases.push_back({Kind::real, "rfft", side, side});
  Measurements all;
  for (const Case& c : cases) {
    all.push_back(transform(bench, c));
    bench.value = {};
  }
  return all;
}

}  // namespace nxv::tools
