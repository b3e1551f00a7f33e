// How time grows: of a kernel with its elements, of a chain with the operations that are pending.
#include <array>
#include <cmath>
#include <string>

#include "benchmarks.h"
#include "graph/build.h"

namespace nxv::tools {

// Time for each element is flat where the size is in the kernel's reach: from a few million on.
Measurements growth(Bench& bench) {
  Measurements all;
  const int last = bench.is_cpu() ? 22 : 30;  // of two's powers
  for (int power = 10; power <= last; power += 2) {
    const int64_t n = int64_t{1} << power;
    const NodeRef x = bench.session.uniform({n});
    const NodeRef one = bench.session.scalar(1);
    Measurement m{"growing add", std::to_string(n)};
    m.amount = 2.0 * sizeof(float) * static_cast<double>(n);
    bench.time(m, [&] { return elementwise(Op::add, {x, one}); });
    const auto in = sample(bench, x), out = sample(bench, bench.value);
    ErrorBound error;
    for (size_t i = 0; i < in.size(); ++i) error.add(out[i], in[i] + 1.0F);
    m.error = error.largest();
    all.push_back(m);
    bench.value = {};
  }
  return all;
}

// Additions of a chain, all handles kept until the last value is asked for; microseconds for each.
Measurements pending(Bench& bench) {
  Measurements all;
  const NodeRef one = bench.session.scalar(1);
  const int64_t last = bench.is_cpu() ? 100000 : 1000000;
  for (int64_t count = 10; count <= last; count *= 10) {
    Measurement m{"pending adds", std::to_string(count)};
    m.unit = Unit::elements;
    m.amount = static_cast<double>(count);
    float got = 0;
    const NodeRef x = bench.session.uniform({1}, 0, 0);
    std::vector<NodeRef> kept;
    bench.time_host(m, [&] {
      kept.assign(1, x);
      for (int64_t i = 0; i < count; ++i) {
        kept.push_back(elementwise(Op::add, {kept.back(), one}));
        bench.session.engine().admit(kept.back());
      }
      got = bench.session.floats(kept.back())[0];
    });
    m.error = wrong_unless(got == static_cast<float>(count));
    all.push_back(m);
  }
  return all;
}

}  // namespace nxv::tools
