#include "benchmarks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <future>
#include <limits>
#include <numbers>

#include "expressions.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

constexpr double kFloat = sizeof(float);
constexpr int64_t kSample = 4096;  // outputs looked at

std::string matrix(int64_t rows, int64_t columns) {
  return std::to_string(rows) + "x" + std::to_string(columns);
}

NodeRef part(const NodeRef& x, std::vector<int64_t> starts, std::vector<int64_t> lengths) {
  const std::vector<int64_t> ones(starts.size(), 1);
  return slice(x, starts, lengths, ones);
}

// Elements spread over the whole of a value, its last one included.
std::vector<float> sample(Bench& bench, const NodeRef& x) {
  const NodeRef flat = reshape(x, {x->count});
  const int64_t stride = std::max<int64_t>(1, (x->count - 1) / (kSample - 1));
  const int64_t count = (x->count - 1) / stride + 1, start = (x->count - 1) % stride;
  const std::array starts = {start}, lengths = {(count - 1) * stride + 1}, strides = {stride};
  return bench.session.floats(slice(flat, starts, lengths, strides));
}

using HostFunction = double (*)(float, float);

// An elementwise function of `inputs` vectors.
std::vector<Measurement> elementwise_benchmark(Bench& bench, std::string name, int inputs,
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

std::vector<Measurement> copy(Bench& bench) {
  return elementwise_benchmark(
      bench, "copy", 1,
      [](const NodeRef& x, const NodeRef&) { return elementwise(Op::negate, {x}); },
      [](float x, float) -> double { return -x; }, 0);
}

std::vector<Measurement> add(Bench& bench) {
  return elementwise_benchmark(
      bench, "add", 2,
      [](const NodeRef& x, const NodeRef& y) {
        return elementwise(Op::add, {x, y});
      },
      [](float x, float y) -> double { return x + y; }, 0);
}

std::vector<Measurement> chain(Bench& bench) {
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

std::vector<Measurement> exponential(Bench& bench) {
  return elementwise_benchmark(
      bench, "exp", 1, [](const NodeRef& x, const NodeRef&) { return elementwise(Op::exp, {x}); },
      [](float x, float) { return std::exp(static_cast<double>(x)); }, 1.3e-7);
}

std::vector<Measurement> full_sum(Bench& bench) {
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

// Rows of a matrix in, rows out; `expected` turns one into the other.
std::vector<Measurement> row_benchmark(Bench& bench, std::string name,
                                       NodeRef (*make)(const NodeRef&), double outputs,
                                       double bound,
                                       const std::function<void(std::vector<double>&)>& expected) {
  const int64_t side = bench.options.side;
  const NodeRef x = bench.session.normal({side, side});
  Measurement m{std::move(name), matrix(side, side)};
  m.amount = kFloat * (static_cast<double>(side) * static_cast<double>(side) + outputs);
  bench.time(m, [&] { return make(x); });
  const NodeRef result = bench.value;
  double largest = 0;
  for (int64_t row : {int64_t{0}, side / 3, side - 1}) {
    const std::vector<float> in = bench.session.floats(part(x, {row, 0}, {1, side}));
    std::vector<double> want(in.begin(), in.end());
    expected(want);
    const NodeRef rows = reshape(result, {side, result->count / side});
    const auto got = bench.session.floats(part(rows, {row, 0}, {1, rows->shape[1]}));
    ErrorBound error(*std::max_element(want.begin(), want.end()));
    for (size_t i = 0; i < got.size(); ++i) error.add(got[i], want[i]);
    largest = std::max(largest, error.largest());
  }
  m.error = largest;
  m.bound = bound;
  return {m};
}

double squared(int64_t side) { return static_cast<double>(side) * static_cast<double>(side); }

std::vector<Measurement> row_sum(Bench& bench) {
  const double rows = static_cast<double>(bench.options.side);
  return row_benchmark(
      bench, "row sum", [](const NodeRef& x) { return reduce(Op::sum, x, Axes{1}, false); }, rows,
      1e-6,
      [](std::vector<double>& row) {
        double sum = 0;
        for (double v : row) sum += v;
        row = {sum};
      });
}

std::vector<Measurement> softmax_rows(Bench& bench) {
  return row_benchmark(bench, "softmax", softmax, squared(bench.options.side), 1e-6,
                       [](std::vector<double>& row) {
                         const double max = *std::max_element(row.begin(), row.end());
                         double sum = 0;
                         for (double& v : row) sum += v = std::exp(v - max);
                         for (double& v : row) v /= sum;
                       });
}

std::vector<Measurement> layer_norm_rows(Bench& bench) {
  return row_benchmark(bench, "layer norm", layer_norm, squared(bench.options.side), 1e-6,
                       [](std::vector<double>& row) {
                         const double n = static_cast<double>(row.size());
                         double sum = 0, squares = 0;
                         for (double v : row) sum += v;
                         for (double& v : row) v -= sum / n, squares += v * v;
                         for (double& v : row) v /= std::sqrt(squares / n + 1e-5);
                       });
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

// The second as the gradient of a bias asks for it.
std::vector<Measurement> column_sums(Bench& bench) {
  const int64_t side = bench.options.side;
  return {column_sum(bench, side, side), column_sum(bench, side / 2, side / 8)};
}

std::vector<Measurement> transposition(Bench& bench) {
  const int64_t side = bench.options.side;
  const NodeRef x = bench.session.uniform({side, side});
  Measurement m{"transpose", matrix(side, side)};
  m.amount = 2 * kFloat * squared(side);
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

std::vector<float> as_floats(Bench& bench, const NodeRef& x) {
  return bench.session.floats(x->dtype == DType::f32 ? x : cast(x, DType::f32));
}

std::vector<Measurement> products(Bench& bench, const char* name, DType type, double bound,
                                  Precision precision = Precision::accurate) {
  std::vector<Measurement> all;
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

// Complex rows. By custom a transform of n numbers counts 5 n log2(n) operations.
std::vector<Measurement> fourier(Bench& bench) {
  const bool cpu = bench.session.engine().plan().profile == plan::Profile::cpu;
  const int64_t side = cpu ? 512 : 4096;
  std::vector<Measurement> all;
  for (const Shape& shape : {Shape{1, int64_t{1} << 20}, Shape{side, side}}) {
    const int64_t rows = shape[0], n = shape[1];
    const NodeRef re = bench.session.uniform({rows, n}, -1, 1);
    const NodeRef im = bench.session.uniform({rows, n}, -1, 1);
    const NodeRef i =
        constant(bench.session.owner(), make_scalar(DType::c64, std::complex<double>(0, 1)), {});
    const NodeRef x = elementwise(Op::add, {re, elementwise(Op::multiply, {im, i})});
    bench.session.evaluate(x);
    Measurement m{"fft", matrix(rows, n)};
    m.unit = Unit::flops;
    m.amount = 5 * static_cast<double>(rows * n) * std::log2(static_cast<double>(n));
    bench.time(m, [&] { return library::call("fft", std::span(&x, 1), {}).at(0); });
    // ||error|| / ||expected|| of some outputs of the last row.
    const auto row = [&](const NodeRef& all_rows) {
      return bench.session.floats(part(all_rows, {rows - 1, 0}, {1, n}));
    };
    const auto a = row(re), b = row(im), got_re = row(elementwise(Op::real, {bench.value})),
               got_im = row(elementwise(Op::imag, {bench.value}));
    double errors = 0, norm = 0;
    for (int64_t s = 0; s < 8; ++s) {
      const int64_t k = s * 0x9e3779b1 % n;
      std::complex<double> sum = 0;
      for (int64_t j = 0; j < n; ++j) {
        const auto at = static_cast<size_t>(j);
        const double angle =
            -2 * std::numbers::pi * static_cast<double>(j * k % n) / static_cast<double>(n);
        sum += std::complex<double>(a[at], b[at]) * std::polar(1.0, angle);
      }
      const auto at = static_cast<size_t>(k);
      errors += std::norm(std::complex<double>(got_re[at], got_im[at]) - sum);
      norm += std::norm(sum);
    }
    m.error = std::sqrt(errors / norm);
    if (std::isnan(m.error)) m.error = std::numeric_limits<double>::infinity();
    m.bound = 1e-6;
    all.push_back(m);
    bench.value = {};
  }
  return all;
}

// Of s8, summed up in s32: exact.
std::vector<Measurement> integer_products(Bench& bench) {
  std::vector<Measurement> all;
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

std::vector<Measurement> matrix_product(Bench& bench) {
  return products(bench, "matmul", DType::f32, 1e-6);
}
std::vector<Measurement> fast_product(Bench& bench) {
  return products(bench, "matmul fast", DType::f32, 0x1p-11, Precision::fast);
}
std::vector<Measurement> f16_product(Bench& bench) {
  return products(bench, "matmul f16", DType::f16, 0x1p-11);
}
std::vector<Measurement> bf16_product(Bench& bench) {
  return products(bench, "matmul bf16", DType::bf16, 0x1p-8);
}
// Its check sees no more than f32 of the factors.
std::vector<Measurement> f64_product(Bench& bench) {
  if (!bench.session.engine().plan().has.f64) return {};
  return products(bench, "matmul f64", DType::f64, 1e-6);
}

std::vector<Measurement> random_numbers(Bench& bench, const char* name, Op op) {
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

std::vector<Measurement> uniform(Bench& bench) {
  return random_numbers(bench, "random uniform", Op::random_uniform);
}
std::vector<Measurement> normal(Bench& bench) {
  return random_numbers(bench, "random normal", Op::random_normal);
}

// Operations that cannot fuse: each needs the whole of the one before.
std::vector<Measurement> dependent_products(Bench& bench) {
  constexpr int64_t kSide = 32;
  constexpr int kSteps = 1000;
  const NodeRef raw = bench.session.uniform({kSide, kSide}, 0.5, 1.5);
  // Rows that add up to 1 keep the products in range.
  const NodeRef x = elementwise(Op::divide, {raw, reduce(Op::sum, raw, Axes{1}, true)});
  bench.session.evaluate(x);
  Measurement m{"1000 matmuls in a row", matrix(kSide, kSide)};
  m.unit = Unit::seconds;
  m.kernels = kSteps;
  std::vector<float> got;
  bench.time_host(m, [&] {
    NodeRef y = x;
    for (int i = 0; i < kSteps; ++i) {
      y = matmul(y, x);
      bench.session.engine().admit(y);
    }
    got = bench.session.floats(y);
  });
  const auto host = bench.session.floats(x);
  std::vector<double> y(host.begin(), host.end()), next(y.size());
  for (int step = 0; step < kSteps; ++step) {
    for (size_t i = 0; i < kSide; ++i) {
      for (size_t j = 0; j < kSide; ++j) {
        double sum = 0;
        for (size_t k = 0; k < kSide; ++k) sum += y[i * kSide + k] * host[k * kSide + j];
        next[i * kSide + j] = sum;
      }
    }
    y.swap(next);
  }
  ErrorBound error;
  for (size_t i = 0; i < y.size(); ++i) error.add(got[i], y[i]);
  m.error = error.largest();
  m.bound = 1e-3;  // a thousand roundings
  return {m};
}

std::vector<Measurement> upload(Bench& bench) {
  const auto n = static_cast<size_t>(bench.options.elements);
  std::vector<float> data(n);
  for (size_t i = 0; i < n; ++i) data[i] = static_cast<float>(i % 8191);
  Measurement m{"upload", std::to_string(n)};
  m.amount = kFloat * static_cast<double>(n);
  NodeRef value;
  bench.time_host(m, [&] {
    std::promise<void> released;
    value = bench.session.engine().upload(DType::f32, {bench.options.elements},
                                          std::as_bytes(std::span(data)),
                                          [&] { released.set_value(); });
    bench.session.evaluate(value);
    released.get_future().wait();
  });
  ErrorBound error;
  const auto got = bench.session.floats(value);
  for (size_t i = 0; i < n; ++i) error.add(got[i], data[i]);
  m.error = error.largest();
  return {m};
}

std::vector<Measurement> download(Bench& bench) {
  const int64_t n = bench.options.elements;
  const NodeRef x = iota(bench.session.owner(), DType::f32, {n >> 12, 4096}, 1);
  bench.session.evaluate(x);
  Measurement m{"download", std::to_string(x->count)};
  m.amount = kFloat * static_cast<double>(x->count);
  double sum = 0;
  bench.time_host(m, [&] {
    std::promise<Failure> done;
    bench.session.engine().read(
        x, -1, [&](const Failure& failure, std::span<const std::byte> bytes) {
          // The receiver's copy is part of a download.
          static std::vector<std::byte> copy;
          copy.resize(bytes.size());
          std::memcpy(copy.data(), bytes.data(), bytes.size());
          float last = 0;
          if (!failure) std::memcpy(&last, copy.data() + copy.size() - sizeof last, sizeof last);
          sum = last;
          done.set_value(failure);
        });
    if (const Failure f = done.get_future().get()) throw_failure(f);
  });
  ErrorBound error;
  error.add(sum, 4095);
  m.error = error.largest();
  return {m};
}

// From building a node to its value on the host, nothing else under way.
std::vector<Measurement> latency(Bench& bench) {
  const NodeRef x = bench.session.uniform({1024}), y = bench.session.uniform({1024});
  Measurement m{"add and read", "1024"};
  m.unit = Unit::seconds;
  m.kernels = 1;
  std::vector<float> got;
  bench.time_host(m, [&] { got = bench.session.floats(elementwise(Op::add, {x, y})); });
  const auto a = bench.session.floats(x), b = bench.session.floats(y);
  ErrorBound error;
  for (size_t i = 0; i < got.size(); ++i) error.add(got[i], a[i] + b[i]);
  m.error = error.largest();
  return {m};
}

constexpr std::array kBenchmarks = {
    Benchmark{"copy", copy},
    Benchmark{"add", add},
    Benchmark{"chain", chain},
    Benchmark{"exp", exponential},
    Benchmark{"narrow", narrow_floats},
    Benchmark{"sum", full_sum},
    Benchmark{"row_sum", row_sum},
    Benchmark{"column_sum", column_sums},
    Benchmark{"softmax", softmax_rows},
    Benchmark{"layer_norm", layer_norm_rows},
    Benchmark{"transpose", transposition},
    Benchmark{"random_uniform", uniform},
    Benchmark{"random_normal", normal},
    Benchmark{"take", take_random},
    Benchmark{"indexed_put", put_random},
    Benchmark{"indexed_add", add_random},
    Benchmark{"matmul", matrix_product},
    Benchmark{"fft", fourier},
    Benchmark{"sort", sort_benchmark},
    Benchmark{"argsort", argsort_benchmark},
    Benchmark{"scan", scan_benchmark},
    Benchmark{"fast_product", fast_product},
    Benchmark{"f16_product", f16_product},
    Benchmark{"bf16_product", bf16_product},
    Benchmark{"f64_product", f64_product},
    Benchmark{"s8_product", integer_products},
    Benchmark{"dependent_matmuls", dependent_products},
    Benchmark{"attention", attention_benchmark},
    Benchmark{"attention_gradient", attention_gradient_benchmark},
    Benchmark{"attention_decode", decode_benchmark},
    Benchmark{"window_sum", window_sums},
    Benchmark{"conv", convolutions},
    Benchmark{"decompositions", decompositions},
    Benchmark{"rotations", rotations},
    Benchmark{"latency", latency},
    Benchmark{"upload", upload},
    Benchmark{"download", download},
};

BenchOptions with_sizes(Session& session, BenchOptions options) {
  const bool cpu = session.engine().plan().profile == plan::Profile::cpu;
  if (options.elements == 0) options.elements = int64_t{1} << (cpu ? 21 : 26);
  if (options.side == 0) options.side = cpu ? 1024 : 8192;
  if (options.matmul.empty()) {
    options.matmul = {128, 256, 512};
    if (!cpu) options.matmul.insert(options.matmul.end(), {1024, 2048, 4096});
  }
  return options;
}

}  // namespace

void ErrorBound::add(double got, double expected) {
  if (got == expected) return;
  const double error = std::fabs(got - expected) / std::max(std::fabs(expected), scale_);
  largest_ =
      std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(largest_, error);
}

Bench::Bench(Session& session, const BenchOptions& options)
    : session(session), options(with_sizes(session, options)) {}

void Bench::repeat(Measurement& m, const std::function<double()>& once) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kFewest = 3, kMost = 30;
  // GPUs slow their clocks while the host checks results, and take a while to be fast again: as
  // long as runs still become faster.
  constexpr double kSteady = 0.5, kLongest = 4;  // seconds
  const bool cpu = session.engine().plan().profile == plan::Profile::cpu;
  const double warm_up = cpu ? 0 : 1;
  auto start = Clock::now();
  const auto spent = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  double best = std::numeric_limits<double>::infinity(), improved = 0;
  for (int i = 0;
       i < 2 || spent() < warm_up || (!cpu && spent() < std::min(improved + kSteady, kLongest));
       ++i) {
    const double seconds = once();
    if (seconds < 0.95 * best) best = seconds, improved = spent();
  }
  std::vector<double> times;
  start = Clock::now();
  while (times.size() < kMost &&
         (times.size() < kFewest || spent() < options.seconds_per_benchmark)) {
    times.push_back(once());
  }
  const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  m.seconds = *middle;
}

void Bench::time(Measurement& m, const std::function<NodeRef()>& make) {
  value = {};
  repeat(m, [&] {
    value = make();
    Session::DeviceTime t = session.timed(value);
    m.kernels = t.kernels;
    m.each = std::move(t.each);
    return t.seconds;
  });
}

void Bench::time_host(Measurement& m, const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  repeat(m, [&] {
    const auto start = Clock::now();
    work();
    return std::chrono::duration<double>(Clock::now() - start).count();
  });
}

std::span<const Benchmark> benchmarks() { return kBenchmarks; }

}  // namespace nxv::tools
