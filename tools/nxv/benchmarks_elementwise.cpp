// Elementwise operations, generators and a transposition.
#include <algorithm>
#include <cmath>
#include <limits>

#include "benchmarks.h"
#include "expressions.h"

namespace nxv::tools {
namespace {

constexpr double kFloat = sizeof(float);

using HostFunction = double (*)(float, float);

// An elementwise function of `inputs` vectors.
Measurements elementwise_benchmark(Bench& bench, std::string name, int inputs,
                                   const std::function<NodeRef(NodeRef, NodeRef)>& make,
                                   HostFunction expected, double bound) {
  const int64_t n = bench.options.elements;
  const NodeRef x = bench.session.uniform({n}, -2, 2);
  const NodeRef y = inputs > 1 ? bench.session.uniform({n}, -2, 2) : x;
  Measurement m{std::move(name), std::to_string(n)};
  m.amount = kFloat * static_cast<double>(n) * (inputs + 1);
  bench.time(m, [&] { return make(x, y); });
  const auto a = sample(bench, x), b = sample(bench, y), got = sample(bench, bench.value);
  ErrorBound error;
  for (size_t i = 0; i < got.size(); ++i) error.add(got[i], expected(a[i], b[i]));
  m.error = error.largest();
  m.bound = bound;
  return {m};
}

Measurements random_numbers(Bench& bench, const char* name, Op op) {
  const int64_t n = bench.options.elements;
  Measurement m{name, std::to_string(n)};
  m.amount = kFloat * static_cast<double>(n);
  uint64_t seed = 1000;
  bench.time(m, [&] {
    return random(bench.session.owner(), op, DType::f32, {n}, RandomAttr{++seed, 0, 0, 1});
  });
  double sum = 0, squares = 0;
  const auto values = sample(bench, bench.value);
  for (float v : values) sum += v, squares += static_cast<double>(v) * v;
  const double count = static_cast<double>(values.size()), average = sum / count;
  const bool normal = op == Op::random_normal;
  const double deviation = std::sqrt(squares / count - average * average);
  // Six standard errors.
  m.error = std::max(std::fabs(average - (normal ? 0 : 0.5)),
                     std::fabs(deviation - (normal ? 1 : std::sqrt(1 / 12.0))));
  if (std::isnan(m.error)) m.error = std::numeric_limits<double>::infinity();
  m.bound = 6 / std::sqrt(count);
  return {m};
}

}  // namespace

Measurements copy(Bench& bench) {
  return elementwise_benchmark(
      bench, "copy", 1,
      [](const NodeRef& x, const NodeRef&) { return elementwise(Op::negate, {x}); },
      [](float x, float) -> double { return -x; }, 0);
}

Measurements add(Bench& bench) {
  return elementwise_benchmark(
      bench, "add", 2,
      [](const NodeRef& x, const NodeRef& y) {
        return elementwise(Op::add, {x, y});
      },
      [](float x, float y) -> double { return x + y; }, 0);
}

Measurements chain(Bench& bench) {
  return elementwise_benchmark(
      bench, "chain of 8", 2, chain_of_eight,
      [](float x, float y) -> double {
        float r = x + y;
        r = r * x;
        r = r - y;
        r = std::max<float>(r, x);
        r = r + y;
        r = -r;
        r = std::min<float>(r, y);
        return r * x;
      },
      1e-30);
}

Measurements exponential(Bench& bench) {
  return elementwise_benchmark(
      bench, "exp", 1, [](const NodeRef& x, const NodeRef&) { return elementwise(Op::exp, {x}); },
      [](float x, float) { return std::exp(static_cast<double>(x)); }, 1.3e-7);
}

Measurements transposition(Bench& bench) {
  const int64_t side = bench.options.side;
  const NodeRef x = bench.session.uniform({side, side});
  Measurement m{"transpose", matrix(side, side)};
  m.amount = 2 * kFloat * static_cast<double>(side * side);
  // A transposed view alone would be read where it lies: the negation makes a kernel of it.
  bench.time(m, [&] { return elementwise(Op::negate, {transpose(x, {1, 0})}); });
  const NodeRef result = bench.value;
  ErrorBound error;
  for (int64_t i : {int64_t{0}, side / 3, side - 1}) {
    const auto row = bench.session.floats(part(result, {i, 0}, {1, side}));
    const auto column = bench.session.floats(part(x, {0, i}, {side, 1}));
    for (size_t k = 0; k < row.size(); ++k) error.add(row[k], -column[k]);
  }
  m.error = error.largest();
  return {m};
}

Measurements uniform(Bench& bench) {
  return random_numbers(bench, "random uniform", Op::random_uniform);
}
Measurements normal(Bench& bench) {
  return random_numbers(bench, "random normal", Op::random_normal);
}

// What a layer keeps with a chance of nine in ten, and scales.
Measurements dropout(Bench& bench) {
  const int64_t n = bench.options.elements;
  const NodeRef x = bench.session.uniform({n}, 1, 2);
  const auto number = [&](double v) { return bench.session.scalar(v); };
  Measurement m{"dropout", std::to_string(n)};
  m.amount = 2 * kFloat * static_cast<double>(n);
  uint64_t seed = 2000;
  bench.time(m, [&] {
    const NodeRef chance = random(bench.session.owner(), Op::random_uniform, DType::f32, {n},
                                  RandomAttr{++seed, 0, 0, 1});
    return elementwise(Op::select, {elementwise(Op::less, {chance, number(0.9)}),
                                    elementwise(Op::divide, {x, number(0.9)}), number(0)});
  });
  const auto in = sample(bench, x), out = sample(bench, bench.value);
  ErrorBound error;
  double kept = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] != 0) error.add(out[i], in[i] / 0.9), ++kept;
  }
  const auto count = static_cast<double>(out.size());
  // Six standard errors.
  m.error = std::max(error.largest(),
                     wrong_unless(std::fabs(kept / count - 0.9) < 6 * 0.3 / std::sqrt(count)));
  m.bound = 1e-6;
  return {m};
}

}  // namespace nxv::tools
