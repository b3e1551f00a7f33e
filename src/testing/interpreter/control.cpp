// Structured control flow: a jump is taken where no invocation is active.
#include "testing/interpreter/evaluations.h"

namespace nxv::testing::evaluations {
namespace {

// Leaves the innermost body's if or loop: who was active before it is active again.
void close(Machine& m) {
  m.active = m.bodies.back().around;
  m.bodies.pop_back();
}

void count_iteration(Machine& m, uint32_t loop) {
  const uint32_t most = m.options.max_iterations;
  m.each_active([&](uint32_t w) {
    if (++m.iterations[w] <= most) return;
    m.at = loop;
    m.fail(Status::internal, w, "runs more than " + std::to_string(most) + " iterations");
  });
}

}  // namespace

void if_begin(Execution& s) {
  s.m.bodies.push_back({s.id, s.m.active});
  s.m.narrow(s.inst.args[0], 1);
  if (!s.m.any_active()) s.m.jump(s.m.body_end(s.id));
}

void if_else(Execution& s) {
  const OpenBody& body = s.m.bodies.back();
  s.m.active = body.around;
  s.m.narrow(s.m.kernel.body[body.begin].args[0], 0);
  if (!s.m.any_active()) s.m.jump(s.m.body_end(s.id));
}

void if_end(Execution& s) { close(s.m); }

void loop_begin(Execution& s) {
  s.m.bodies.push_back({s.id, s.m.active});
  count_iteration(s.m, s.id);
}

void break_if(Execution& s) {
  s.m.narrow(s.inst.args[0], 0);
  if (!s.m.any_active()) s.m.jump(s.m.body_end(s.m.bodies.back().begin));
}

void loop_end(Execution& s) {
  if (!s.m.any_active()) return close(s.m);
  const uint32_t loop = s.m.bodies.back().begin;
  count_iteration(s.m, loop);
  s.m.jump(loop + 1);
}

}  // namespace nxv::testing::evaluations
