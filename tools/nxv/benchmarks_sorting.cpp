// Sorts and scans.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "benchmarks.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

// Elements of the vectors: 2^24 on a GPU.
int64_t length(const Bench& bench) { return std::min(bench.options.elements, int64_t{1} << 24); }

NodeRef call(const char* name, const NodeRef& x) {
  return library::call(name, std::array{x}, {})[0];
}

// Changes with any element, not with their order.
uint64_t fingerprint(const std::vector<float>& values) {
  uint64_t sum = 0;
  for (float v : values) {
    uint64_t h = std::bit_cast<uint32_t>(v) * 0x9e3779b97f4a7c15u;
    sum += h ^ h >> 29;
  }
  return sum;
}

double wrong_unless(bool right) { return right ? 0 : std::numeric_limits<double>::infinity(); }

}  // namespace

std::vector<Measurement> sort_benchmark(Bench& bench) {
  const int64_t n = length(bench);
  const NodeRef x = bench.session.normal({n});
  Measurement m{"sort", std::to_string(n)};
  m.unit = Unit::elements;
  m.amount = static_cast<double>(n);
  bench.time(m, [&] { return call("sort", x); });
  const auto in = bench.session.floats(x), out = bench.session.floats(bench.value);
  m.error =
      wrong_unless(std::is_sorted(out.begin(), out.end()) && fingerprint(in) == fingerprint(out));
  return {m};
}

std::vector<Measurement> argsort_benchmark(Bench& bench) {
  const int64_t n = length(bench);
  const NodeRef x = bench.session.normal({n});
  Measurement m{"argsort", std::to_string(n)};
  m.unit = Unit::elements;
  m.amount = static_cast<double>(n);
  bench.time(m, [&] { return call("argsort", x); });
  const auto in = bench.session.floats(x);
  const std::vector<std::byte> bytes = bench.session.read(bench.value);
  std::vector<int32_t> from(in.size());
  std::memcpy(from.data(), bytes.data(), bytes.size());
  // In order, and where elements are equal, from ascending places: each place once.
  bool right = true;
  for (size_t i = 0; i < from.size() && right; ++i) {
    right = from[i] >= 0 && static_cast<size_t>(from[i]) < in.size();
    if (!right || i == 0) continue;
    const float a = in[static_cast<size_t>(from[i - 1])], b = in[static_cast<size_t>(from[i])];
    right = a < b || (a == b && from[i - 1] < from[i]);
  }
  m.error = wrong_unless(right);
  return {m};
}

std::vector<Measurement> scan_benchmark(Bench& bench) {
  const int64_t n = length(bench);
  const NodeRef x = bench.session.uniform({n});
  Measurement m{"scan", std::to_string(n)};
  m.amount = 2 * sizeof(float) * static_cast<double>(n);
  bench.time(m, [&] { return call("cumulative_sum", x); });
  const auto in = bench.session.floats(x), out = bench.session.floats(bench.value);
  ErrorBound error;
  double sum = 0;
  for (size_t i = 0; i < in.size(); ++i) error.add(out[i], sum += in[i]);
  m.error = error.largest();
  m.bound = 1e-7;
  return {m};
}

}  // namespace nxv::tools
