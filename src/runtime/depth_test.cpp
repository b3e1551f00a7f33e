// Loops that nobody reads: what is pending is computed whenever it has become too deep, at whatever
// place of a round that is.
#include <gtest/gtest.h>

#include <vector>

#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

class UnreadLoop {
 public:
  UnreadLoop(Engine& engine, int64_t count)
      : engine_(engine),
        parameter_(filled(engine, count, 1)),
        moment_(filled(engine, count, 0)),
        scale_(filled(engine, count, 0)) {}

  // An optimizer's step, of which everything is admitted as callers' nodes are.
  void step() {
    const NodeRef gradient = op(Op::multiply, parameter_, number(2));
    moment_ = op(Op::add, op(Op::multiply, moment_, number(0.9)),
                 op(Op::multiply, gradient, number(0.1)));
    scale_ = op(Op::add, op(Op::multiply, scale_, number(0.99)),
                op(Op::multiply, op(Op::multiply, gradient, gradient), number(0.01)));
    const NodeRef length = admitted(elementwise(Op::sqrt, {op(Op::add, scale_, number(1e-6))}));
    const NodeRef norm = admitted(reduce(Op::sum, op(Op::multiply, moment_, moment_), {}, false));
    const NodeRef update = op(Op::divide, moment_, op(Op::add, length, norm));
    parameter_ = op(Op::subtract, parameter_, op(Op::multiply, update, number(0.01)));
  }

  // Once all that was admitted is computed.
  uint64_t kernels() {
    engine_.call([](Executor&, vulkan::Device&) {});
    return engine_.counters().kernels_compiled;
  }
  std::vector<float> parameter() { return elements<float>(engine_, parameter_); }

 private:
  NodeRef number(double v) { return constant(engine_.graveyard(), make_scalar(DType::f32, v), {}); }
  NodeRef admitted(NodeRef node) {
    engine_.admit(node);
    return node;
  }
  NodeRef op(Op op, const NodeRef& a, const NodeRef& b) {
    return admitted(elementwise(op, {a, b}));
  }

  Engine& engine_;
  NodeRef parameter_, moment_, scale_;
};

TEST(UnreadLoops, OfFewElementsSettleOnFewKernels) {
  NXV_OPEN_OR_SKIP(engine);
  if (engine->plan().tuning.apart_elements == 0) GTEST_SKIP() << "fuses whatever it computes";
  UnreadLoop loop(*engine, 3);
  const uint64_t before = loop.kernels();
  for (int i = 0; i < 60; ++i) loop.step();
  const uint64_t settled = loop.kernels();
  EXPECT_GT(settled, before);
  EXPECT_LE(settled - before, 16u);
  for (int i = 0; i < 600; ++i) loop.step();
  EXPECT_EQ(loop.kernels(), settled);
}

TEST(UnreadLoops, HaveTheBitsOfThoseThatAreRead) {
  NXV_OPEN_OR_SKIP(engine);
  for (const int64_t count : {int64_t{3}, int64_t{10000}}) {
    UnreadLoop unread(*engine, count), read(*engine, count);
    for (int i = 0; i < 100; ++i) {
      unread.step();
      read.step();
      read.parameter();
    }
    EXPECT_EQ(unread.parameter(), read.parameter()) << count;
  }
}

}  // namespace
}  // namespace nxv::runtime
