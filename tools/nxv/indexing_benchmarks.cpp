// Gathers and scatters at random places, of 2^24 elements where nothing else is asked for. Bytes
// are those of the values, the indices and the result.
#include <algorithm>
#include <cstring>

#include "benchmarks.h"
#include "library/registry.h"

namespace nxv::tools {
namespace {

std::vector<int32_t> integers(Bench& bench, const NodeRef& x) {
  const std::vector<std::byte> bytes = bench.session.read(x);
  std::vector<int32_t> list(bytes.size() / sizeof(int32_t));
  std::memcpy(list.data(), bytes.data(), bytes.size());
  return list;
}

struct Random {
  explicit Random(Bench& bench)
      : count(std::min(bench.options.elements, int64_t{1} << 24)),
        x(bench.session.uniform({count})),
        updates(bench.session.uniform({count})) {
    const NodeRef places = bench.session.uniform({count, 1}, 0, static_cast<double>(count));
    const NodeRef last = constant(x->shared_graveyard(), make_scalar(DType::s32, count - 1), {});
    indices = elementwise(Op::min, {cast(places, DType::s32), last});
    bench.session.evaluate(indices);
  }
  int64_t count;
  NodeRef x, updates, indices;
};

std::vector<Measurement> indexed(Bench& bench, const char* name, bool adds) {
  const Random r(bench);
  Measurement m{name, std::to_string(r.count)};
  m.amount = 16.0 * static_cast<double>(r.count);
  bench.time(m, [&] { return library::call(name, std::array{r.x, r.indices, r.updates}, {})[0]; });
  const std::vector<int32_t> places = integers(bench, r.indices);
  const std::vector<float> x = bench.session.floats(r.x), updates = bench.session.floats(r.updates);
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
  return {m};
}

}  // namespace

std::vector<Measurement> take_random(Bench& bench) {
  const Random r(bench);
  Measurement m{"take", std::to_string(r.count)};
  m.amount = 12.0 * static_cast<double>(r.count);
  bench.time(m, [&] {
    return library::call("take", std::array{r.x, reshape(r.indices, {r.count})}, {})[0];
  });
  const std::vector<int32_t> places = integers(bench, r.indices);
  const std::vector<float> x = bench.session.floats(r.x), got = bench.session.floats(bench.value);
  ErrorBound error;
  for (size_t i = 0; i < got.size(); ++i) error.add(got[i], x[static_cast<size_t>(places[i])]);
  m.error = error.largest();
  return {m};
}

std::vector<Measurement> put_random(Bench& bench) { return indexed(bench, "indexed_put", false); }
std::vector<Measurement> add_random(Bench& bench) { return indexed(bench, "indexed_add", true); }

}  // namespace nxv::tools
