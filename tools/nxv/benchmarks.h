// The benchmarks: each times something and checks a sample of its results.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "commands.h"
#include "session.h"

namespace nxv::tools {

// GB/s, GFLOP/s, billions of elements a second, microseconds
enum class Unit : uint8_t { bytes, flops, elements, seconds };

struct Measurement {
  std::string name, size;
  Unit unit = Unit::bytes;
  double amount = 0;   // bytes, flops or elements; each input read once, the output written once
  double seconds = 0;  // median
  int kernels = 0;
  std::vector<vulkan::KernelTime> each = {};  // of the last run, in order
  double error = 0;                           // largest of the sample, relative
  double bound = 0;                           // that it must keep
  std::string failure = {};                   // what went wrong instead of a time

  bool ok() const { return failure.empty() && error <= bound; }
  // In its unit.
  double rate() const {
    if (unit == Unit::seconds) return seconds * 1e6;
    return seconds > 0 ? amount / seconds * 1e-9 : 0;
  }
};

// What a benchmark may use.
class Bench {
 public:
  Bench(Session& session, const BenchOptions& options);

  Session& session;
  const BenchOptions options;  // sizes filled in

  // Median device time of evaluating what `make` builds, after a warm-up; `make` builds a new
  // value each time. The last value is left in `value`.
  void time(Measurement& m, const std::function<NodeRef()>& make);
  // Median host time of calling `work`.
  void time_host(Measurement& m, const std::function<void()>& work);
  NodeRef value;
  // Where the device is a CPU, sizes are smaller.
  bool is_cpu() const;

 private:
  void repeat(Measurement& m, const std::function<double()>& once);
};

using Measurements = std::vector<Measurement>;

struct Benchmark {
  std::string_view name;
  // Several measurements for several sizes.
  Measurements (*run)(Bench&);
};
std::span<const Benchmark> benchmarks();

// What each file of benchmarks has.
// Of benchmarks_elementwise.cpp.
Measurements copy(Bench&);
Measurements add(Bench&);
Measurements chain(Bench&);
Measurements exponential(Bench&);
Measurements transposition(Bench&);
Measurements uniform(Bench&);
Measurements normal(Bench&);
Measurements dropout(Bench&);
// Of benchmarks_reductions.cpp.
Measurements full_sum(Bench&);
Measurements row_sum(Bench&);
Measurements column_sums(Bench&);
Measurements middle_sum(Bench&);
Measurements moments(Bench&);
Measurements extremes(Bench&);
Measurements comparisons(Bench&);
Measurements softmax_rows(Bench&);
Measurements layer_norm_rows(Bench&);
// Of benchmarks_sorting.cpp.
Measurements sorts(Bench&);
Measurements argsort_benchmark(Bench&);
Measurements top_k(Bench&);
Measurements scans(Bench&);
// Of benchmarks_indexing.cpp.
Measurements take_random(Bench&);
Measurements put_random(Bench&);
Measurements add_random(Bench&);
Measurements embeddings(Bench&);
// Of benchmarks_products.cpp.
Measurements matrix_product(Bench&);
Measurements fast_product(Bench&);
Measurements f16_product(Bench&);
Measurements bf16_product(Bench&);
Measurements f64_product(Bench&);
Measurements integer_products(Bench&);
// Of benchmarks_transforms.cpp.
Measurements transforms(Bench&);
// Of benchmarks_attention.cpp.
Measurements attention_benchmark(Bench&);
Measurements attention_gradient_benchmark(Bench&);
Measurements decode_benchmark(Bench&);
// Of benchmarks_narrow.cpp.
Measurements narrow_floats(Bench&);
// Of benchmarks_windows.cpp.
Measurements window_sums(Bench&);
Measurements pooling(Bench&);
Measurements convolutions(Bench&);
// Of benchmarks_linear.cpp.
Measurements cholesky(Bench&);
Measurements lu(Bench&);
Measurements qr(Bench&);
Measurements eigh(Bench&);
Measurements svd(Bench&);
Measurements solutions(Bench&);
// Of benchmarks_host.cpp.
Measurements latency(Bench&);
Measurements dependent_products(Bench&);
Measurements upload(Bench&);
Measurements download(Bench&);
// Of benchmarks_growth.cpp.
Measurements growth(Bench&);
Measurements pending(Bench&);

// "8192x8192"
std::string size_text(const Shape& shape);
std::string matrix(int64_t rows, int64_t columns);
NodeRef part(const NodeRef& x, const std::vector<int64_t>& starts,
             const std::vector<int64_t>& lengths);
// Elements spread over the whole of an f32 value, its last one included.
std::vector<float> sample(Bench& bench, const NodeRef& x);
// Infinite for what is wrong, of results that have no error.
double wrong_unless(bool right);

// Largest |got - expected| / max(|expected|, scale); infinite for a NaN.
class ErrorBound {
 public:
  explicit ErrorBound(double scale = 0) : scale_(scale) {}
  void add(double got, double expected);
  double largest() const { return largest_; }

 private:
  double scale_, largest_ = 0;
};

}  // namespace nxv::tools
