// Gathers and scatters of 2^24 elements: single ones at random places of as many, of fewer and of
// more, single ones within 1 024 elements of their own place, and rows of 128 at random places. A
// quarter of the places is named more than once where they are as many. Bytes are those of values,
// indices and result; a single element at a random place moves a sector of memory, which a scatter
// reads and writes. Places that a cache of a GPU may hold count as they are.
#include <algorithm>
#include <cstring>

#include "benchmarks.h"
#include "graph/build.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

constexpr int64_t kNearby = 1024;
constexpr int64_t kRow = 128;
constexpr double kSector = 32;  // bytes

enum class Places { random, nearby, rows };

struct Case {
  Places places;
  int64_t updates, targets;  // elements
  int64_t row = 1;           // of which so many make a row

  std::string size() const {
    const std::string of = updates == targets ? "" : " of " + std::to_string(targets);
    return std::to_string(updates) + of;
  }
};

std::vector<Case> cases(Bench& bench) {
  const int64_t n = std::min(bench.options.elements, int64_t{1} << 24);
  std::vector<Case> all = {
      {Places::random, n, n}, {Places::nearby, n, n}, {Places::rows, n, n, kRow}};
  all.push_back({Places::random, n, n / 16});
  if (!bench.is_cpu()) all.push_back({Places::random, n, 4 * n});
  return all;
}

struct Operands {
  Operands(Bench& bench, const Case& c)
      : row(c.row),
        count(c.updates / row),
        x(bench.session.uniform({c.targets / row, row})),
        updates(bench.session.uniform({count, row})) {
    const GraveyardRef& owner = bench.session.owner();
    const bool nearby = c.places == Places::nearby;
    const int64_t targets = x->shape[0];
    const auto range = static_cast<double>(nearby ? std::min(targets, kNearby) : targets);
    NodeRef place = cast(bench.session.uniform({count, 1}, 0, range), DType::s32);
    if (nearby) {
      place = elementwise(Op::bitwise_xor, {place, iota(owner, DType::s32, {count, 1}, 0)});
    }
    const NodeRef last = constant(owner, make_scalar(DType::s32, targets - 1), {});
    indices = elementwise(Op::min, {place, last});
    bench.session.evaluate(indices);
  }

  std::vector<int32_t> places(Bench& bench) const {
    const std::vector<std::byte> bytes = bench.session.read(indices);
    std::vector<int32_t> list(bytes.size() / sizeof(int32_t));
    std::memcpy(list.data(), bytes.data(), bytes.size());
    return list;
  }

  int64_t row, count;  // elements of a row; updates
  NodeRef x, updates, indices;
};

// For each update `values` are moved in full and an index; at random places `sectors` besides. Each
// target is moved `passes` times.
Measurement measurement(std::string name, const Case& c, double values, double sectors,
                        double passes) {
  const char* kNames[] = {"", ", nearby", ", rows"};
  Measurement m{std::move(name) + kNames[static_cast<int>(c.places)], c.size()};
  const double place = c.places == Places::random ? kSector * sectors : sizeof(float);
  const double index = sizeof(int32_t) / static_cast<double>(c.row);
  m.amount = static_cast<double>(c.updates) * (sizeof(float) * values + place + index) +
             static_cast<double>(c.targets) * sizeof(float) * passes;
  return m;
}

Measurement take(Bench& bench, const Case& c, const std::string& called = "take") {
  const Operands o(bench, c);
  Measurement m = measurement(called, c, 1, 1, 0);
  const NodeRef indices = reshape(o.indices, {o.count});
  bench.time(m, [&] { return library::call("take", std::array{o.x, indices}, {})[0]; });
  const std::vector<int32_t> places = o.places(bench);
  const std::vector<float> x = bench.session.floats(o.x), got = bench.session.floats(bench.value);
  const auto row = static_cast<size_t>(o.row);
  ErrorBound error;
  for (size_t i = 0; i < got.size(); ++i) {
    error.add(got[i], x[static_cast<size_t>(places[i / row]) * row + i % row]);
  }
  m.error = error.largest();
  return m;
}

Measurement scatter(Bench& bench, const char* name, bool adds, const Case& c,
                    const char* called = nullptr) {
  const Operands o(bench, c);
  const bool random = c.places == Places::random;
  Measurement m = measurement(called ? called : name, c, 1, random ? 2 : 0, 2);
  bench.time(m, [&] { return library::call(name, std::array{o.x, o.indices, o.updates}, {})[0]; });
  const std::vector<int32_t> places = o.places(bench);
  const std::vector<float> x = bench.session.floats(o.x);
  const std::vector<float> updates = bench.session.floats(o.updates);
  const auto row = static_cast<size_t>(o.row);
  std::vector<double> want(x.begin(), x.end());
  for (size_t i = 0; i < updates.size(); ++i) {
    double& at = want[static_cast<size_t>(places[i / row]) * row + i % row];
    at = adds ? at + updates[i] : updates[i];
  }
  const std::vector<float> got = bench.session.floats(bench.value);
  ErrorBound error;
  for (size_t i = 0; i < got.size(); ++i) error.add(got[i], want[i]);
  m.error = error.largest();
  m.bound = adds ? 1e-6 : 0;
  return m;
}

template <typename Function>
Measurements everywhere(Bench& bench, Function measure) {
  Measurements all;
  for (const Case& c : cases(bench)) all.push_back(measure(c));
  return all;
}

}  // namespace

Measurements take_random(Bench& bench) {
  return everywhere(bench, [&](const Case& c) { return take(bench, c); });
}

Measurements put_random(Bench& bench) {
  return everywhere(bench, [&](const Case& c) { return scatter(bench, "indexed_put", false, c); });
}

Measurements add_random(Bench& bench) {
  return everywhere(bench, [&](const Case& c) { return scatter(bench, "indexed_add", true, c); });
}

// Words of a language, and the gradient of their vectors.
Measurements embeddings(Bench& bench) {
  constexpr int64_t kWidth = 768;
  const int64_t words = bench.is_cpu() ? 2048 : 50304, tokens = bench.is_cpu() ? 256 : 4096;
  const Case c = {Places::rows, tokens * kWidth, words * kWidth, kWidth};
  Measurements all = {take(bench, c, "embedding"),
                      scatter(bench, "indexed_add", true, c, "embedding gradient")};
  for (Measurement& m : all) {
    m.name = m.name.substr(0, m.name.find(','));
    m.size = std::to_string(tokens) + " of " + matrix(words, kWidth);
  }
  return all;
}

}  // namespace nxv::tools
