// Matrix products of every type.
#include <cmath>
#include <limits>

#include "benchmarks.h"
#include "graph/build.h"
#include "plan/device_plan.h"

namespace nxv::tools {
namespace {

std::vector<float> as_floats(Bench& bench, const NodeRef& x) {
  return bench.session.floats(x->dtype == DType::f32 ? x : cast(x, DType::f32));
}

Measurements products(Bench& bench, const char* name, DType type, double bound,
                      Precision precision = Precision::accurate) {
  Measurements all;
  for (int64_t n : bench.options.matmul) {
    const NodeRef a = bench.session.uniform({n, n}, -0.5, 0.5, type);
    const NodeRef b = bench.session.uniform({n, n}, -0.5, 0.5, type);
    Measurement m{name, matrix(n, n)};
    m.unit = Unit::flops;
    m.amount = 2 * std::pow(static_cast<double>(n), 3);
    bench.time(m, [&] { return matmul(a, b, precision); });
    const auto x = as_floats(bench, a), y = as_floats(bench, b),
               got = as_floats(bench, bench.value);
    // ||error|| / ||expected|| over outputs spread over the matrix.
    double errors = 0, norm = 0;
    const auto size = static_cast<size_t>(n);
    for (size_t s = 0; s < 64; ++s) {
      const size_t row = s * 0x9e3779b1 % size, column = (s * 0x85ebca6b + size - 1) % size;
      double sum = 0;
      for (size_t k = 0; k < size; ++k) {
        sum += static_cast<double>(x[row * size + k]) * y[k * size + column];
      }
      errors += std::pow(got[row * size + column] - sum, 2);
      norm += sum * sum;
    }
    m.error = std::sqrt(errors / norm);
    if (std::isnan(m.error)) m.error = std::numeric_limits<double>::infinity();
    m.bound = bound;
    all.push_back(m);
    bench.value = {};
  }
  return all;
}

}  // namespace

// Of s8, summed up in s32: exact.
Measurements integer_products(Bench& bench) {
  Measurements all;
  for (int64_t n : bench.options.matmul) {
    const NodeRef a = bench.session.uniform({n, n}, -128, 128, DType::s8);
    const NodeRef b = bench.session.uniform({n, n}, -128, 128, DType::s8);
    Measurement m{"matmul s8", matrix(n, n)};
    m.unit = Unit::flops;
    m.amount = 2 * std::pow(static_cast<double>(n), 3);
    bench.time(m, [&] { return matmul(cast(a, DType::s32), cast(b, DType::s32)); });
    const auto x = as_floats(bench, a), y = as_floats(bench, b);
    // Parts that f32 holds.
    const NodeRef low = elementwise(
        Op::remainder,
        {bench.value, constant(bench.session.owner(), make_scalar(DType::s32, int64_t{4096}), {})});
    const auto got = as_floats(bench, low);
    const auto size = static_cast<size_t>(n);
    ErrorBound error;
    for (size_t s = 0; s < 64; ++s) {
      const size_t row = s * 0x9e3779b1 % size, column = (s * 0x85ebca6b + size - 1) % size;
      double sum = 0;
      for (size_t k = 0; k < size; ++k) {
        sum += static_cast<double>(x[row * size + k]) * y[k * size + column];
      }
      error.add(got[row * size + column], std::fmod(sum, 4096));
    }
    m.error = error.largest();
    all.push_back(m);
    bench.value = {};
  }
  return all;
}

Measurements matrix_product(Bench& bench) { return products(bench, "matmul", DType::f32, 1e-6); }
Measurements fast_product(Bench& bench) {
  return products(bench, "matmul fast", DType::f32, 0x1p-11, Precision::fast);
}
Measurements f16_product(Bench& bench) {
  return products(bench, "matmul f16", DType::f16, 0x1p-11);
}
Measurements bf16_product(Bench& bench) {
  return products(bench, "matmul bf16", DType::bf16, 0x1p-8);
}
// Its check sees no more than f32 of the factors.
Measurements f64_product(Bench& bench) {
  if (!bench.session.engine().plan().has.f64) return {};
  return products(bench, "matmul f64", DType::f64, 1e-6);
}

}  // namespace nxv::tools
