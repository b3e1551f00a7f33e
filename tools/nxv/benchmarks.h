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

 private:
  void repeat(Measurement& m, const std::function<double()>& once);
};

struct Benchmark {
  std::string_view name;
  // Several measurements for several sizes.
  std::vector<Measurement> (*run)(Bench&);
};
std::span<const Benchmark> benchmarks();

// Of benchmarks_sorting.cpp.
std::vector<Measurement> sort_benchmark(Bench& bench);
std::vector<Measurement> argsort_benchmark(Bench& bench);
std::vector<Measurement> scan_benchmark(Bench& bench);
// Of benchmarks_indexing.cpp.
std::vector<Measurement> take_random(Bench& bench);
std::vector<Measurement> put_random(Bench& bench);
std::vector<Measurement> add_random(Bench& bench);
// Of benchmarks_attention.cpp.
std::vector<Measurement> attention_benchmark(Bench&);
std::vector<Measurement> attention_gradient_benchmark(Bench&);
std::vector<Measurement> decode_benchmark(Bench&);
// Of benchmarks_narrow.cpp.
std::vector<Measurement> narrow_floats(Bench&);
// Of benchmarks_windows.cpp.
std::vector<Measurement> window_sums(Bench&);
std::vector<Measurement> convolutions(Bench&);
// Of benchmarks_linear.cpp.
std::vector<Measurement> decompositions(Bench&);
std::vector<Measurement> rotations(Bench&);

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
