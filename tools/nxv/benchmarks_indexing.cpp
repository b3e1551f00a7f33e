// Gathers and scatters of 2^24 elements: single ones at random places anywhere, single ones within
// 1 024 elements of their own place, and rows of 128 at random places. A quarter of the places is
// named more than once. Bytes are those of values, indices and result; a single element at a random
// place moves a sector of memory, which a scatter reads and writes.
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
constexpr Places kPlaces[] = {Places::random, Places::nearby, Places::rows};

struct Operands {
  Operands(Bench& bench, Places places)
      : row(places == Places::rows ? kRow : 1),
        count(std::min(bench.options.elements, int64_t{1} << 24) / row),
        x(bench.session.uniform({count, row})),
        updates(bench.session.uniform({count, row})) {
    const GraveyardRef& owner = bench.session.owner();
    const bool nearby = places == Places::nearby;
    const auto range = static_cast<double>(nearby ? std::min(count, kNearby) : count);
    NodeRef place = cast(bench.session.uniform({count, 1}, 0, range), DType::s32);
    if (nearby) {
      place = elementwise(Op::bitwise_xor, {place, iota(owner, DType::s32, {count, 1}, 0)});
    }
    const NodeRef last = constant(owner, make_scalar(DType::s32, count - 1), {});
    indices = elementwise(Op::min, {place, last});
    bench.session.evaluate(indices);
  }

  std::vector<int32_t> places(Bench& bench) const {
    const std::vector<std::byte> bytes = bench.session.read(indices);
    std::vector<int32_t> list(bytes.size() / sizeof(int32_t));
    std::memcpy(list.data(), bytes.data(), bytes.size());
    return list;
  }

  int64_t row, count;  // elements of a row; rows
  NodeRef x, updates, indices;
};

// `values` are moved in full for each element; at random places `sectors` besides.
Measurement measurement(std::string name, const Operands& o, Places places, double values,
                        double sectors) {
  const char* kNames[] = {"", ", nearby", ", rows"};
  Measurement m{std::move(name) + kNames[static_cast<int>(places)],
                std::to_string(o.count * o.row)};
  const double place = places == Places::random ? kSector * sectors : sizeof(float);
  const double index = sizeof(int32_t) / static_cast<double>(o.row);
  m.amount = static_cast<double>(o.count * o.row) * (sizeof(float) * values + place + index);
  return m;
}

Measurement take(Bench& bench, Places where) {
  const Operands o(bench, where);
  Measurement m = measurement("take", o, where, 1, 1);
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

Measurement scatter(Bench& bench, const char* name, bool adds, Places where) {
  const Operands o(bench, where);
  Measurement m = measurement(name, o, where, where == Places::random ? 3 : 2, 2);
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
  m.bound = adds ? 1e-7 : 0;
  return m;
}

template <typename Function>
std::vector<Measurement> everywhere(Function measure) {
  std::vector<Measurement> all;
  for (Places places : kPlaces) all.push_back(measure(places));
  return all;
}

}  // namespace

std::vector<Measurement> take_random(Bench& bench) {
  return everywhere([&](Places p) { return take(bench, p); });
}

std::vector<Measurement> put_random(Bench& bench) {
  return everywhere([&](Places p) { return scatter(bench, "indexed_put", false, p); });
}

std::vector<Measurement> add_random(Bench& bench) {
  return everywhere([&](Places p) { return scatter(bench, "indexed_add", true, p); });
}

}  // namespace nxv::tools
