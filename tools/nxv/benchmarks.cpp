#include "benchmarks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "graph/build.h"
#include "plan/device_plan.h"

namespace nxv::tools {
namespace {

constexpr std::array kBenchmarks = {
    Benchmark{"copy", copy},
    Benchmark{"add", add},
    Benchmark{"chain", chain},
    Benchmark{"exp", exponential},
    Benchmark{"narrow", narrow_floats},
    Benchmark{"sum", full_sum},
    Benchmark{"row_sum", row_sum},
    Benchmark{"column_sum", column_sums},
    Benchmark{"middle_sum", middle_sum},
    Benchmark{"moments", moments},
    Benchmark{"argmax", extremes},
    Benchmark{"all_close", comparisons},
    Benchmark{"softmax", softmax_rows},
    Benchmark{"layer_norm", layer_norm_rows},
    Benchmark{"transpose", transposition},
    Benchmark{"random_uniform", uniform},
    Benchmark{"random_normal", normal},
    Benchmark{"dropout", dropout},
    Benchmark{"take", take_random},
    Benchmark{"indexed_put", put_random},
    Benchmark{"indexed_add", add_random},
    Benchmark{"embedding", embeddings},
    Benchmark{"matmul", matrix_product},
    Benchmark{"fft", transforms},
    Benchmark{"sort", sorts},
    Benchmark{"argsort", argsort_benchmark},
    Benchmark{"top_k", top_k},
    Benchmark{"scan", scans},
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
    Benchmark{"pooling", pooling},
    Benchmark{"conv", convolutions},
    Benchmark{"cholesky", cholesky},
    Benchmark{"lu", lu},
    Benchmark{"qr", qr},
    Benchmark{"solutions", solutions},
    Benchmark{"eigh", eigh},
    Benchmark{"svd", svd},
    Benchmark{"latency", latency},
    Benchmark{"upload", upload},
    Benchmark{"download", download},
    Benchmark{"growth", growth},
    Benchmark{"pending", pending},
};

constexpr int64_t kSample = 4096;  // outputs looked at

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

std::string size_text(const Shape& shape) {
  std::string text;
  for (int64_t d : shape) text += (text.empty() ? "" : "x") + std::to_string(d);
  return text;
}

std::string matrix(int64_t rows, int64_t columns) { return size_text({rows, columns}); }

NodeRef part(const NodeRef& x, const std::vector<int64_t>& starts,
             const std::vector<int64_t>& lengths) {
  return slice(x, starts, lengths, std::vector<int64_t>(starts.size(), 1));
}

std::vector<float> sample(Bench& bench, const NodeRef& x) {
  const NodeRef flat = reshape(x, {x->count});
  const int64_t stride = std::max<int64_t>(1, (x->count - 1) / (kSample - 1));
  const int64_t count = (x->count - 1) / stride + 1, start = (x->count - 1) % stride;
  const std::array starts = {start}, lengths = {(count - 1) * stride + 1}, strides = {stride};
  return bench.session.floats(slice(flat, starts, lengths, strides));
}

double wrong_unless(bool right) { return right ? 0 : std::numeric_limits<double>::infinity(); }

void ErrorBound::add(double got, double expected) {
  if (got == expected) return;
  const double error = std::fabs(got - expected) / std::max(std::fabs(expected), scale_);
  largest_ =
      std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(largest_, error);
}

Bench::Bench(Session& session, const BenchOptions& options)
    : session(session), options(with_sizes(session, options)) {}

bool Bench::is_cpu() const { return session.engine().plan().profile == plan::Profile::cpu; }

void Bench::repeat(Measurement& m, const std::function<double()>& once) {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kFewest = 3, kMost = 30;
  // GPUs slow their clocks while the host checks results, and take a while to be fast again: as
  // long as runs still become faster.
  const double warm_up = is_cpu() ? 0 : options.warm_up;
  const double steady = warm_up / 2, longest = 4 * warm_up;
  auto start = Clock::now();
  const auto spent = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  double best = std::numeric_limits<double>::infinity(), improved = 0;
  for (int i = 0; i < 2 || spent() < warm_up || spent() < std::min(improved + steady, longest);
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
  if (options.json) {
    // Whoever waits for the whole sees what it waits for.
    std::fprintf(stderr, "%s %s\n", m.name.c_str(), m.size.c_str());
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
