// Numbers that the host knows: arguments and counters of loops travel in commands.
#include <gtest/gtest.h>

#include "testing/driver/function_fixture.h"

namespace nxv::runtime {
namespace {

class Numbered : public FunctionFixture {
 protected:
  template <typename Run>
  uint64_t dispatches(Run run) {
    const uint64_t before = engine_->counters().dispatches;
    run();
    return engine_->counters().dispatches - before;
  }
};

TEST_F(Numbered, ArgumentsTakeNoKernel) {
  const NodeRef x = param(DType::f32, {4}), rate = param(DType::f32), step = param(DType::s64);
  const NodeRef scaled = elementwise(Op::multiply, {x, elementwise(Op::exp, {rate})});
  const NodeRef next = elementwise(Op::add, {step, num(DType::s64, 1)});
  const FunctionRef f = function(
      {x, rate, step}, {elementwise(Op::add, {scaled, cast(step, DType::f32)}), next, rate});
  const NodeRef values = vector<float>(*engine_, {1, 2, 3, 4});
  uint64_t compiled = 0;
  for (int i = 0; i < 4; ++i) {
    Nodes r;
    const uint64_t count = dispatches([&] {
      r = engine_->invoke(f, {values, num(DType::f32, 0), num(DType::s64, i)});
      const auto base = static_cast<float>(i);
      EXPECT_EQ(elements<float>(*engine_, r[0]),
                (std::vector<float>{base + 1, base + 2, base + 3, base + 4}));
    });
    EXPECT_EQ(count, 2U);  // the sum, and the number that is a result
    EXPECT_EQ(elements<int64_t>(*engine_, r[1]), std::vector<int64_t>{i + 1});
    EXPECT_EQ(elements<float>(*engine_, r[2]), std::vector<float>{0.0F});
    if (i == 0) compiled = engine_->counters().kernels_compiled;
  }
  EXPECT_EQ(engine_->counters().kernels_compiled, compiled);
  // The same as values of the device.
  const Nodes r = engine_->invoke(
      f, {values, elementwise(Op::log, {num(DType::f32, 1)}),
          elementwise(Op::abs, {reduce(Op::sum, vector<int64_t>(*engine_, {5, 2}), {}, false)})});
  EXPECT_EQ(elements<float>(*engine_, r[0]), (std::vector<float>{8, 9, 10, 11}));
  EXPECT_EQ(elements<int64_t>(*engine_, r[1]), std::vector<int64_t>{8});
}

TEST_F(Numbered, CountersTakeNoKernel) {
  const auto state = [&] {
    return Nodes{param(DType::s32), param(DType::s32), param(DType::f32), param(DType::f32, {3})};
  };
  const Nodes c = state(), s = state();
  const FunctionRef condition = function(c, {elementwise(Op::less, {c[0], c[1]})});
  const FunctionRef body = function(
      s, {elementwise(Op::add, {s[0], num(DType::s32, 1)}), s[1], s[2],
          elementwise(Op::add, {s[3], elementwise(Op::multiply, {s[2], cast(s[0], DType::f32)})})});
  const NodeRef n = param(DType::s32), x = param(DType::f32, {3});
  const Nodes end = loop(Nodes{num(DType::s32, 0), n, num(DType::f32, 2), x}, condition, body);
  const FunctionRef f = function({n, x}, {end[3], end[0]});
  for (const int rounds : {0, 1, 20, 3}) {
    Nodes r;
    const uint64_t count = dispatches([&] {
      r = engine_->invoke(f, {num(DType::s32, rounds), vector<float>(*engine_, {0, 1, 2})});
      const auto sum = static_cast<float>(rounds * (rounds - 1));
      EXPECT_EQ(elements<float>(*engine_, r[0]), (std::vector<float>{sum, sum + 1, sum + 2}));
    });
    EXPECT_EQ(count, static_cast<uint64_t>(rounds));
    EXPECT_EQ(elements<int32_t>(*engine_, r[1]), std::vector<int32_t>{rounds});
  }
}

// What the host cannot compute, the device does: and reports it.
TEST_F(Numbered, WithoutAValueAreFaults) {
  const NodeRef a = param(DType::s32), b = param(DType::s32);
  const FunctionRef f = function({a, b}, {elementwise(Op::quotient, {a, b}), b});
  const auto run = [&](int x, int y) {
    return read_later(*engine_, engine_->invoke(f, {num(DType::s32, x), num(DType::s32, y)})[0])
        .get();
  };
  EXPECT_FALSE(run(8, 2).failure);
  EXPECT_EQ(run(8, 0).failure.status, Status::arithmetic);

  // while i > 0: i = 12 / (i - 2) has no third round from 8: 8, 2, none.
  const NodeRef c = param(DType::s32), s = param(DType::s32), start = param(DType::s32);
  const NodeRef next = elementwise(
      Op::quotient, {num(DType::s32, 12), elementwise(Op::subtract, {s, num(DType::s32, 2)})});
  const Nodes end =
      loop(Nodes{start}, function({c}, {elementwise(Op::greater, {c, num(DType::s32, 0)})}),
           function({s}, {next}));
  const FunctionRef g = function({start}, {end[0]});
  const auto answer = [&](int from) {
    return read_later(*engine_, engine_->invoke(g, {num(DType::s32, from)})[0]).get();
  };
  EXPECT_EQ(answer(8).failure.status, Status::arithmetic);
  EXPECT_FALSE(answer(0).failure);
  EXPECT_FALSE(answer(1).failure);
}

// In memory a number has its own width, not the one that kernels compute in.
TEST_F(Numbered, ResultsOfEveryTypeAreStored) {
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto type = static_cast<DType>(i);
    if (to_real(type) == DType::f64 && !engine_->plan().has.f64) continue;
    const NodeRef x = param(type), limit = param(DType::f32);
    const Nodes c{param(type), param(DType::f32)}, s{param(type), param(DType::f32)};
    // As often as the device alone knows.
    const FunctionRef condition = function(c, {elementwise(Op::less, {c[1], num(DType::f32, 2)})});
    const FunctionRef body = function(s, {s[0], elementwise(Op::add, {s[1], num(DType::f32, 1)})});
    const NodeRef kept = loop(Nodes{x, limit}, condition, body)[0];
    const NodeRef zero = reduce(Op::sum, vector<float>(*engine_, {1, -1}), {}, false);
    const Nodes r = engine_->invoke(function({x, limit}, {x, kept, limit}), {num(type, 1), zero});
    const HostTensor expected(type, {}, std::vector<Scalar>{make_scalar(type, 1.0)});
    EXPECT_EQ(value(*engine_, r[0]).bytes, expected.bytes) << name(type);
    EXPECT_EQ(value(*engine_, r[1]).bytes, expected.bytes) << name(type);
  }
}

// What is captured belongs to the engine's thread, which drops its inputs while loops are built.
TEST_F(Numbered, AreNotFollowedIntoWhatIsBeingComputed) {
  for (int i = 0; i < 50; ++i) {
    NodeRef limit = vector<int32_t>(*engine_, {i});
    for (int k = 0; k < 16; ++k) {
      limit = reshape(elementwise(Op::bitwise_or, {limit, limit}), k % 2 == 0 ? Shape{} : Shape{1});
    }
    engine_->evaluate(limit);
    const NodeRef c = param(DType::s32), s = param(DType::s32);
    const Nodes end = loop(Nodes{num(DType::s32, 0)},
                           function({c}, {elementwise(Op::less, {c, reshape(limit, {})})}),
                           function({s}, {elementwise(Op::add, {s, num(DType::s32, 1)})}));
    EXPECT_EQ(elements<int32_t>(*engine_, end[0]), std::vector<int32_t>{i});
  }
}

}  // namespace
}  // namespace nxv::runtime
