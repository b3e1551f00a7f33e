// Gathers and scatters of 2^24 elements: at random places anywhere, where each element costs a
// sector of memory (32 bytes) to itself, and within 1 024 elements of its own place. A quarter of
// the places is named more than once. Bytes are those of values, indices and result.
#include <algorithm>
#include <cstring>

#include "benchmarks.h"
#include "graph/build.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

constexpr int64_t kNearby = 1024;

struct Operands {
  Operands(Bench& bench, bool nearby)
      : count(std::min(bench.options.elements, int64_t{1} << 24)),
        x(bench.session.uniform({count})),
        updates(bench.session.uniform({count})) {
    const GraveyardRef& owner = bench.session.owner();
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

  int64_t count;
  NodeRef x, updates, indices;
};

Measurement measurement(std::string name, const Operands& o, bool nearby, double values) {
  Measurement m{std::move(name) + (nearby ? ", nearby" : ""), std::to_string(o.count)};
  m.amount = 4 * values * static_cast<double>(o.count);
  return m;
}

Measurement take(Bench& bench, bool nearby) {
  const Operands o(bench, nearby);
  Measurement m = measurement("take", o, nearby, 3);
  const NodeRef indices = reshape(o.indices, {o.count});
  bench.time(m, [&] { return library::call("take", std::array{o.x, indices}, {})[0]; });
  const std::vector<int32_t> places = o.places(bench);
  const std::vector<float> x = bench.session.floats(o.x), got = bench.session.floats(bench.value);
  ErrorBound error;
  for (size_t i = 0; i < got.size(); ++i) error.add(got[i], x[static_cast<size_t>(places[i])]);
  m.error = error.largest();
  return m;
}

Measurement scatter(Bench& bench, const char* name, bool adds, bool nearby) {
  const Operands o(bench, nearby);
  Measurement m = measurement(name, o, nearby, 4);
  bench.time(m, [&] { return library::call(name, std::array{o.x, o.indices, o.updates}, {})[0]; });
  const std::vector<int32_t> places = o.places(bench);
  const std::vector<float> x = bench.session.floats(o.x);
  const std::vector<float> updates = bench.session.floats(o.updates);
  std::vector<double> want(x.begin(), x.end());
  for (size_t i = 0; i < places.size(); ++i) {
    double& at = want[static_cast<size_t>(places[i])];
    at = adds ? at + updates[i] : updates[i];
  }
  const std::vector<float> got = bench.session.floats(bench.value);
  ErrorBound error;
  for (size_t i = 0; i < got.size(); ++i) error.add(got[i], want[i]);
  m.error = error.largest();
  m.bound = adds ? 1e-7 : 0;
  return m;
}

}  // namespace

std::vector<Measurement> take_random(Bench& bench) {
  return {take(bench, false), take(bench, true)};
}

std::vector<Measurement> put_random(Bench& bench) {
  return {scatter(bench, "indexed_put", false, false), scatter(bench, "indexed_put", false, true)};
}

std::vector<Measurement> add_random(Bench& bench) {
  return {scatter(bench, "indexed_add", true, false), scatter(bench, "indexed_add", true, true)};
}

}  // namespace nxv::tools
