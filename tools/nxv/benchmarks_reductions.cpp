// Reductions, and programs of rows.
#include <algorithm>
#include <array>
#include <cmath>

#include "benchmarks.h"
#include "expressions.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

constexpr double kFloat = sizeof(float);

using Row = std::vector<double>;

struct RowCase {
  std::string name;
  Shape shape;  // rows, columns
  double outputs;
  double bound;
  DType type = DType::f32;
};

// Rows of a matrix of normal numbers in, rows out; `expected` turns one into the other.
Measurement row_benchmark(Bench& bench, const RowCase& c,
                          const std::function<NodeRef(const NodeRef&)>& make,
                          const std::function<void(Row&)>& expected) {
  const int64_t rows = c.shape[0], columns = c.shape[1];
  NodeRef x = bench.session.normal(c.shape);
  if (c.type != DType::f32) bench.session.evaluate(x = cast(x, c.type));
  Measurement m{c.name, size_text(c.shape)};
  m.amount = storage_bytes(c.type) * (static_cast<double>(rows * columns) + c.outputs);
  bench.time(m, [&] { return make(x); });
  const NodeRef result = reshape(bench.value, {rows, bench.value->count / rows});
  // Positions are more than f32 tells apart.
  const auto row_of = [&](const NodeRef& matrix, int64_t row) {
    const NodeRef one = part(matrix, {row, 0}, {1, matrix->shape[1]});
    if (is_integer(one->dtype)) {
      const std::vector<std::byte> bytes = bench.session.read(cast(one, DType::s32));
      std::vector<int32_t> numbers(bytes.size() / sizeof(int32_t));
      std::memcpy(numbers.data(), bytes.data(), bytes.size());
      return Row(numbers.begin(), numbers.end());
    }
    const std::vector<float> numbers = bench.session.floats(cast(one, DType::f32));
    return Row(numbers.begin(), numbers.end());
  };
  for (int64_t row : {int64_t{0}, rows / 3, rows - 1}) {
    Row want = row_of(x, row);
    expected(want);
    const Row got = row_of(result, row);
    double largest = 0;
    for (double v : want) largest = std::max(largest, std::fabs(v));
    ErrorBound error(largest);
    for (size_t i = 0; i < got.size(); ++i) error.add(got[i], want[i]);
    m.error = std::max(m.error, error.largest());
  }
  m.bound = c.bound;
  return m;
}

Shape square(Bench& bench) { return {bench.options.side, bench.options.side}; }

double rows_of(const Shape& shape) { return static_cast<double>(shape[0]); }

void add_up(Row& row) {
  double sum = 0;
  for (double v : row) sum += v;
  row = {sum};
}

void exponentiate(Row& row) {
  const double max = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (double& v : row) sum += v = std::exp(v - max);
  for (double& v : row) v /= sum;
}

Measurement softmax_of(Bench& bench, const Shape& shape, DType type = DType::f32) {
  const std::string suffix = type == DType::f32 ? "" : " " + std::string(name(type));
  const double bound = type == DType::f32 ? 1e-6 : type == DType::f16 ? 0x1p-9 : 0x1p-6;
  return row_benchmark(
      bench, {"softmax" + suffix, shape, static_cast<double>(element_count(shape)), bound, type},
      softmax, exponentiate);
}

NodeRef log_softmax(const NodeRef& x) {
  const NodeRef shifted = elementwise(Op::subtract, {x, reduce(Op::reduce_max, x, Axes{1}, true)});
  const NodeRef sum = reduce(Op::sum, elementwise(Op::exp, {shifted}), Axes{1}, true);
  return elementwise(Op::subtract, {shifted, elementwise(Op::log, {sum})});
}

Measurement column_sum(Bench& bench, int64_t rows, int64_t columns) {
  const NodeRef x = bench.session.uniform({rows, columns});
  Measurement m{"column sum", matrix(rows, columns)};
  m.amount = kFloat * static_cast<double>((rows + 1) * columns);
  bench.time(m, [&] { return reduce(Op::sum, x, Axes{0}, false); });
  const auto got = bench.session.floats(bench.value);
  ErrorBound error;
  for (int64_t column : {int64_t{0}, columns / 3, columns - 1}) {
    double sum = 0;
    for (float v : bench.session.floats(part(x, {0, column}, {rows, 1}))) sum += v;
    error.add(got[static_cast<size_t>(column)], sum);
  }
  m.error = error.largest();
  m.bound = 1e-6;
  return m;
}

}  // namespace

Measurements full_sum(Bench& bench) {
  const int64_t n = bench.options.elements;
  const NodeRef x = bench.session.uniform({n});
  Measurement m{"sum", std::to_string(n)};
  m.amount = kFloat * static_cast<double>(n);
  bench.time(m, [&] { return reduce(Op::sum, x, std::nullopt, false); });
  double expected = 0;
  for (float v : bench.session.floats(x)) expected += v;
  ErrorBound error;
  error.add(bench.session.floats(bench.value)[0], expected);
  m.error = error.largest();
  m.bound = 1e-7;
  return {m};
}

Measurements row_sum(Bench& bench) {
  const Shape shape = square(bench);
  return {row_benchmark(
      bench, {"row sum", shape, rows_of(shape), 1e-6},
      [](const NodeRef& x) { return reduce(Op::sum, x, Axes{1}, false); }, add_up)};
}

Measurements softmax_rows(Bench& bench) {
  const Shape shape = square(bench);
  const int64_t n = bench.options.elements;
  Measurements all = {softmax_of(bench, shape)};
  for (int64_t columns : {1000, 4096, 65536}) {
    all.push_back(softmax_of(bench, {std::max<int64_t>(1, n / columns), columns}));
  }
  for (DType type : {DType::f16, DType::bf16}) all.push_back(softmax_of(bench, shape, type));
  const auto logarithms = [](Row& row) {
    exponentiate(row);
    for (double& v : row) v = std::log(v);
  };
  all.push_back(
      row_benchmark(bench, {"log softmax", shape, static_cast<double>(element_count(shape)), 1e-6},
                    log_softmax, logarithms));
  return all;
}

Measurements layer_norm_rows(Bench& bench) {
  const Shape shape = square(bench);
  return {row_benchmark(bench,
                        {"layer norm", shape, static_cast<double>(element_count(shape)), 1e-6},
                        layer_norm, [](Row& row) {
                          const double n = static_cast<double>(row.size());
                          double sum = 0, squares = 0;
                          for (double v : row) sum += v;
                          for (double& v : row) v -= sum / n, squares += v * v;
                          for (double& v : row) v /= std::sqrt(squares / n + 1e-5);
                        })};
}

// The sum of both, so that one value is asked for.
Measurements moments(Bench& bench) {
  const Shape shape = square(bench);
  const NodeRef n = bench.session.scalar(static_cast<double>(shape[1]));
  const auto mean_of = [&](const NodeRef& x) {
    return elementwise(Op::divide, {reduce(Op::sum, x, Axes{1}, true), n});
  };
  return {row_benchmark(
      bench, {"mean and variance", shape, rows_of(shape), 1e-5},
      [&](const NodeRef& x) {
        const NodeRef mean = mean_of(x), centred = elementwise(Op::subtract, {x, mean});
        return elementwise(Op::add, {mean, mean_of(elementwise(Op::multiply, {centred, centred}))});
      },
      [](Row& row) {
        const auto n = static_cast<double>(row.size());
        double sum = 0, squares = 0;
        for (double v : row) sum += v;
        for (double v : row) squares += (v - sum / n) * (v - sum / n);
        row = {sum / n + squares / n};
      })};
}

Measurements extremes(Bench& bench) {
  const Shape shape = square(bench);
  const auto position = [](Row& row) {
    row = {static_cast<double>(std::max_element(row.begin(), row.end()) - row.begin())};
  };
  const auto along = [](const NodeRef& x, std::vector<library::Option> options) {
    return library::call("argmax", std::array{x}, options)[0];
  };
  Measurements all = {row_benchmark(
      bench, {"argmax", shape, rows_of(shape), 0},
      [&](const NodeRef& x) {
        return along(x, {{"axis", {1}, {}}});
      },
      position)};
  all.push_back(row_benchmark(
      bench, {"argmax of all", {1, bench.options.elements}, 1, 0},
      [&](const NodeRef& x) { return along(x, {}); }, position));
  return all;
}

Measurements middle_sum(Bench& bench) {
  const int64_t side = bench.is_cpu() ? 512 : 1024;
  const int64_t outer = std::max<int64_t>(1, bench.options.elements / (side * side));
  const NodeRef x = bench.session.uniform({outer, side, side});
  Measurement m{"middle sum", size_text(x->shape)};
  m.amount = kFloat * static_cast<double>(outer * side * (side + 1));
  bench.time(m, [&] { return reduce(Op::sum, x, Axes{1}, false); });
  const auto got = bench.session.floats(bench.value);
  ErrorBound error;
  for (int64_t i : {int64_t{0}, outer - 1}) {
    for (int64_t k : {int64_t{0}, side / 3, side - 1}) {
      double sum = 0;
      for (float v : bench.session.floats(part(x, {i, 0, k}, {1, side, 1}))) sum += v;
      error.add(got[static_cast<size_t>(i * side + k)], sum);
    }
  }
  m.error = error.largest();
  m.bound = 1e-6;
  return {m};
}

Measurements comparisons(Bench& bench) {
  const int64_t n = bench.options.elements;
  const NodeRef x = bench.session.uniform({n}), y = elementwise(Op::negate, {x});
  bench.session.evaluate(y);
  const NodeRef z = elementwise(Op::negate, {y});
  bench.session.evaluate(z);
  Measurement close{"all close", std::to_string(n)};
  close.amount = 2 * kFloat * static_cast<double>(n);
  bench.time(close, [&] { return library::call("all_close", std::array{x, z}, {})[0]; });
  close.error = wrong_unless(bench.session.read(bench.value).at(0) == std::byte{1});
  Measurement norm{"norm", std::to_string(n)};
  norm.amount = kFloat * static_cast<double>(n);
  bench.time(norm, [&] {
    const NodeRef squares = elementwise(Op::multiply, {x, x});
    return elementwise(Op::sqrt, {reduce(Op::sum, squares, std::nullopt, false)});
  });
  double sum = 0;
  for (float v : bench.session.floats(x)) sum += static_cast<double>(v) * v;
  ErrorBound error;
  error.add(bench.session.floats(bench.value)[0], std::sqrt(sum));
  norm.error = error.largest();
  norm.bound = 1e-6;
  return {close, norm};
}

// The second as the gradient of a bias asks for it.
Measurements column_sums(Bench& bench) {
  const int64_t side = bench.options.side;
  return {column_sum(bench, side, side), column_sum(bench, side / 2, side / 8)};
}

}  // namespace nxv::tools
