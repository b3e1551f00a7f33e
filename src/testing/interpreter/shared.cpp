// Shared arrays, and the barrier that orders them.
#include "testing/interpreter/accesses.h"
#include "testing/interpreter/evaluations.h"

namespace nxv::testing::evaluations {

void shared_load(Execution& s) {
  s.m.each_active([&](uint32_t w) {
    const SharedPlace p = shared_place(s, w);
    s.m.check(p.element.read(s.m.moment(w)), w);
    for (uint32_t lane = 0; lane < s.inst.type.lanes; ++lane) {
      s.out[lane * s.m.width + w] = p.lanes[lane];
    }
  });
}

void shared_store(Execution& s) {
  const uint64_t* stored = s.arg(1);
  s.m.each_active([&](uint32_t w) {
    const SharedPlace p = shared_place(s, w);
    s.m.check(p.element.write(s.m.moment(w)), w);
    for (uint32_t lane = 0; lane < s.inst.type.lanes; ++lane) {
      const uint64_t bits = stored[lane * s.m.width + w];
      if (p.element.others_wrote() && p.lanes[lane] != bits) {
        s.m.fail(Status::internal, w, "overwrites what another invocation wrote without a barrier");
      }
      p.lanes[lane] = bits;
    }
  });
}

void barrier(Execution& s) {
  for (uint32_t w = 0; w < s.m.width; ++w) {
    if (!s.m.active[w]) s.m.fail(Status::internal, w, "is not reached by every invocation");
  }
  ++s.m.epoch;
}

void subgroup_barrier(Execution& s) {
  s.m.each_subgroup([&](uint32_t first, uint32_t) { ++s.m.steps[first / s.m.subgroup_size]; });
}

}  // namespace nxv::testing::evaluations
