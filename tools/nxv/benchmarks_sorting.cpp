// Sorts and scans.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>

#include "benchmarks.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

// Elements of the vectors: 2^24 on a GPU.
int64_t length(const Bench& bench) { return std::min(bench.options.elements, int64_t{1} << 24); }

NodeRef call(const char* name, const NodeRef& x, const std::vector<library::Option>& options = {}) {
  return library::call(name, std::array{x}, options)[0];
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

// Rows of normal numbers, sorted.
Measurement sort_of(Bench& bench, const std::string& name, const Shape& shape) {
  const NodeRef x = bench.session.normal(shape);
  Measurement m{name, size_text(shape)};
  m.unit = Unit::elements;
  m.amount = static_cast<double>(x->count);
  const auto last = static_cast<int64_t>(shape.size()) - 1;
  bench.time(m, [&] { return call("sort", x, {{"axis", {last}, {}}}); });
  const auto in = bench.session.floats(x), out = bench.session.floats(bench.value);
  bool right = fingerprint(in) == fingerprint(out);
  for (auto row = out.begin(); row != out.end(); row += shape.back()) {
    right = right && std::is_sorted(row, row + shape.back());
  }
  m.error = wrong_unless(right);
  return m;
}

// Running sums along an axis of ones to nines, which are exact.
Measurement scan_of(Bench& bench, const std::string& name, const Shape& shape, int64_t axis,
                    DType type = DType::f32) {
  const NodeRef numbers = bench.session.uniform(shape, 0, 10, DType::s32);
  const NodeRef x = cast(numbers, type);
  bench.session.evaluate(x);
  Measurement m{name, size_text(shape)};
  m.amount = 2.0 * storage_bytes(type) * static_cast<double>(x->count);
  bench.time(m, [&] { return call("cumulative_sum", x, {{"axis", {axis}, {}}}); });
  const int64_t length = shape[static_cast<size_t>(axis)];
  const Shape line =
      axis == 0 ? Shape{length, x->count / length} : Shape{x->count / length, length};
  const NodeRef from = reshape(x, line), to = reshape(bench.value, line);
  ErrorBound error;
  for (int64_t i : {int64_t{0}, x->count / length - 1}) {
    const auto at = axis == 0 ? std::vector{int64_t{0}, i} : std::vector{i, int64_t{0}};
    const auto lengths =
        axis == 0 ? std::vector{length, int64_t{1}} : std::vector{int64_t{1}, length};
    const auto in = bench.session.floats(cast(part(from, at, lengths), DType::f32));
    const auto out = bench.session.floats(cast(part(to, at, lengths), DType::f32));
    double sum = 0;
    for (size_t k = 0; k < in.size(); ++k) error.add(out[k], sum += in[k]);
  }
  m.error = error.largest();
  m.bound = 1e-7;
  return m;
}

}  // namespace

Measurements sorts(Bench& bench) {
  const int64_t n = length(bench);
  Measurements all = {sort_of(bench, "sort", {n})};
  if (n > int64_t{1} << 20) all.push_back(sort_of(bench, "sort", {int64_t{1} << 20}));
  all.push_back(sort_of(bench, "sort rows", {n / 256, 256}));
  return all;
}

Measurements top_k(Bench& bench) {
  constexpr int64_t kWords = 128256, kBest = 50;  // of a language; asked for
  const int64_t rows = bench.is_cpu() ? 4 : 64;
  const NodeRef x = bench.session.normal({rows, kWords});
  Measurement m{"top 50", size_text(x->shape)};
  m.unit = Unit::elements;
  m.amount = static_cast<double>(x->count);
  bench.time(m, [&] { return call("top_k", x, {{"k", {kBest}, {}}}); });
  const auto got = bench.session.floats(bench.value);
  bool right = true;
  for (int64_t row : {int64_t{0}, rows - 1}) {
    auto in = bench.session.floats(part(x, {row, 0}, {1, kWords}));
    std::partial_sort(in.begin(), in.begin() + kBest, in.end(), std::greater<>());
    right = right && std::equal(in.begin(), in.begin() + kBest, got.begin() + row * kBest);
  }
  m.error = wrong_unless(right);
  return {m};
}

Measurements argsort_benchmark(Bench& bench) {
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

Measurements scans(Bench& bench) {
  const int64_t all = bench.options.elements, n = length(bench), side = 4096;
  Measurements found = {scan_of(bench, "scan", {n}, 0)};
  if (all > n) found.push_back(scan_of(bench, "scan", {all}, 0));
  found.push_back(scan_of(bench, "scan rows", {all / side, side}, 1));
  found.push_back(scan_of(bench, "scan columns", {side, all / side}, 0));
  found.push_back(scan_of(bench, "scan s64", {n}, 0, DType::s64));
  return found;
}

}  // namespace nxv::tools
