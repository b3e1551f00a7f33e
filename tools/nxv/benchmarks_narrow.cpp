// Elementwise and row kernels of 16-bit floats, each operation rounded, as models run them.
#include <algorithm>
#include <array>
#include <cmath>

#include "benchmarks.h"
#include "expressions.h"
#include "plan/device_plan.h"

namespace nxv::tools {
namespace {

constexpr int64_t kWidth = 768;  // of a row; hidden layers have four times that
constexpr double kBytes = 2;

int64_t rows_of(Bench& bench) { return bench.is_cpu() ? 256 : 4096; }

NodeRef stored(Bench& bench, const NodeRef& x, DType type) {
  const NodeRef narrow = cast(x, type);
  bench.session.evaluate(narrow);
  return narrow;
}

std::vector<float> first_row(Bench& bench, const NodeRef& x) {
  const std::array starts = {int64_t{0}, int64_t{0}}, lengths = {int64_t{1}, x->shape[1]};
  return bench.session.floats(
      cast(slice(x, starts, lengths, std::array<int64_t, 2>{1, 1}), DType::f32));
}

using Row = std::vector<double>;

// Times `make` of a matrix of normal numbers, and compares a row with `expected`; errors are
// relative to 1 at least.
Measurement row_wise(Bench& bench, const std::string& name, DType type, int64_t width, int inputs,
                     const std::function<NodeRef(const NodeRef&)>& make,
                     const std::function<void(Row&)>& expected, double bound) {
  const int64_t rows = rows_of(bench);
  const NodeRef x = stored(bench, bench.session.normal({rows, width}), type);
  Measurement m{name + " " + std::string(nxv::name(type)),
                std::to_string(rows) + "x" + std::to_string(width)};
  m.amount = kBytes * static_cast<double>(rows * width) * (inputs + 1);
  bench.time(m, [&] { return make(x); });
  const std::vector<float> in = first_row(bench, x), got = first_row(bench, bench.value);
  Row want(in.begin(), in.end());
  expected(want);
  ErrorBound error(1);
  for (size_t i = 0; i < got.size(); ++i) error.add(got[i], want[i]);
  m.error = error.largest();
  m.bound = bound;
  return m;
}

NodeRef times(const NodeRef& x, const NodeRef& y) { return elementwise(Op::multiply, {x, y}); }
NodeRef plus(const NodeRef& x, const NodeRef& y) { return elementwise(Op::add, {x, y}); }

// 0.5 x (1 + tanh(0.7978845608 (x + 0.044715 x^3))), from left to right.
NodeRef gelu(Bench& bench, const NodeRef& x) {
  const auto number = [&](double v) { return bench.session.scalar(v, x->dtype); };
  const NodeRef cube = times(times(times(number(0.044715), x), x), x);
  const NodeRef inner = times(number(0.7978845608), plus(x, cube));
  return times(times(number(0.5), x), plus(number(1), elementwise(Op::tanh, {inner})));
}

NodeRef layer_norm(Bench& bench, const NodeRef& x, const NodeRef& gain, const NodeRef& shift) {
  const auto mean_of = [&](const NodeRef& v) {
    return elementwise(Op::divide, {reduce(Op::sum, v, Axes{1}, true),
                                    bench.session.scalar(static_cast<double>(kWidth), x->dtype)});
  };
  const NodeRef centred = elementwise(Op::subtract, {x, mean_of(x)});
  const NodeRef variance = mean_of(times(centred, centred));
  const NodeRef inverse =
      elementwise(Op::rsqrt, {plus(variance, bench.session.scalar(1e-5, x->dtype))});
  return plus(times(times(centred, inverse), gain), shift);
}

// gelu(x w + b), of a transformer.
Measurement hidden_layer(Bench& bench, DType type, double bound) {
  const int64_t rows = rows_of(bench), hidden = 4 * kWidth;
  const auto number = [&](double v) { return bench.session.scalar(v, DType::f32); };
  const NodeRef x = stored(bench, bench.session.normal({rows, kWidth}), type);
  const NodeRef w =
      stored(bench, times(bench.session.normal({kWidth, hidden}), number(1.0 / 32)), type);
  const NodeRef shift = stored(bench, bench.session.normal({hidden}), type);
  Measurement m{"gelu of product " + std::string(nxv::name(type)),
                std::to_string(rows) + "x" + std::to_string(kWidth) + "x" + std::to_string(hidden)};
  m.unit = Unit::flops;
  m.amount = 2.0 * static_cast<double>(rows * kWidth * hidden);
  bench.time(m, [&] { return gelu(bench, plus(matmul(x, w), shift)); });
  const std::vector<float> got = first_row(bench, bench.value), in = first_row(bench, x);
  const auto weights = bench.session.floats(cast(w, DType::f32));
  const auto shifts = bench.session.floats(cast(shift, DType::f32));
  ErrorBound error(1);
  for (size_t j = 0; j < got.size(); ++j) {
    double sum = shifts[j];
    for (size_t k = 0; k < in.size(); ++k) sum += double{in[k]} * weights[k * got.size() + j];
    error.add(got[j],
              0.5 * sum * (1 + std::tanh(0.7978845608 * (sum + 0.044715 * sum * sum * sum))));
  }
  m.error = error.largest();
  m.bound = bound;
  return m;
}

}  // namespace

Measurements narrow_floats(Bench& bench) {
  Measurements all;
  for (DType type : {DType::bf16, DType::f16}) {
    const double epsilon = type == DType::bf16 ? 0x1p-8 : 0x1p-11;
    const auto add = [&](const char* name, int64_t width, int inputs,
                         const std::function<NodeRef(const NodeRef&)>& make,
                         const std::function<void(Row&)>& expected, double units) {
      all.push_back(row_wise(bench, name, type, width, inputs, make, expected, units * epsilon));
    };
    add(
        "copy", 4 * kWidth, 1, [](const NodeRef& x) { return elementwise(Op::negate, {x}); },
        [](Row& row) {
          for (double& v : row) v = -v;
        },
        0);
    const NodeRef y = stored(bench, bench.session.normal({rows_of(bench), 4 * kWidth}), type);
    const std::vector<float> terms = first_row(bench, y);
    add(
        "add", 4 * kWidth, 2, [&](const NodeRef& x) { return plus(x, y); },
        [&](Row& row) {
          for (size_t i = 0; i < row.size(); ++i) row[i] += terms[i];
        },
        1);
    add(
        "gelu", 4 * kWidth, 1, [&](const NodeRef& x) { return gelu(bench, x); },
        [](Row& row) {
          for (double& v : row) {
            v = 0.5 * v * (1 + std::tanh(0.7978845608 * (v + 0.044715 * v * v * v)));
          }
        },
        4);
    // A step of Adam, in short.
    add(
        "divide by root", 4 * kWidth, 2,
        [&](const NodeRef& x) {
          const NodeRef root = elementwise(Op::sqrt, {times(y, y)});
          return elementwise(Op::divide, {x, plus(root, bench.session.scalar(0.5, type))});
        },
        [&](Row& row) {
          for (size_t i = 0; i < row.size(); ++i) row[i] /= std::fabs(terms[i]) + 0.5;
        },
        4);
    const NodeRef gain = stored(bench, bench.session.normal({kWidth}), type);
    const NodeRef shift = stored(bench, bench.session.normal({kWidth}), type);
    const auto gains = bench.session.floats(cast(gain, DType::f32));
    const auto shifts = bench.session.floats(cast(shift, DType::f32));
    add(
        "layer norm", kWidth, 1,
        [&](const NodeRef& x) { return layer_norm(bench, x, gain, shift); },
        [&](Row& row) {
          const double n = static_cast<double>(row.size());
          double sum = 0, squares = 0;
          for (double v : row) sum += v;
          for (double& v : row) v -= sum / n, squares += v * v;
          for (size_t i = 0; i < row.size(); ++i) {
            row[i] = row[i] / std::sqrt(squares / n + 1e-5) * gains[i] + shifts[i];
          }
        },
        8);
    all.push_back(hidden_layer(bench, type, 16 * epsilon));
  }
  return all;
}

}  // namespace nxv::tools
