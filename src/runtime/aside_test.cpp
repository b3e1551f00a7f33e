// Others are answered while a loop runs whose end the device decides on.
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "testing/driver/function_fixture.h"

namespace nxv::runtime {
namespace {

class Aside : public FunctionFixture {
 protected:
  NodeRef plus(const NodeRef& x, double v) { return elementwise(Op::add, {x, num(x->dtype, v)}); }
  NodeRef scalar(float v) { return tensor<float>(*engine_, {}, {v}); }
  // x, y while x < limit: x + 1, y + 2.
  Nodes climb(const NodeRef& x, const NodeRef& y, const NodeRef& limit) {
    const NodeRef a = param(DType::f32), b = param(DType::f32), most = param(DType::f32);
    const FunctionRef holds = function({a, b, most}, {elementwise(Op::less, {a, most})});
    const NodeRef c = param(DType::f32), d = param(DType::f32), end = param(DType::f32);
    return loop(Nodes{x, y, limit}, holds, function({c, d, end}, {plus(c, 1), plus(d, 2), end}));
  }
  FunctionRef climbing() {
    const NodeRef x = param(DType::f32), y = param(DType::f32), limit = param(DType::f32);
    const Nodes after = climb(x, y, limit);
    return function({x, y, limit}, {after[0], after[1]});
  }
  float value(const NodeRef& n) { return elements<float>(*engine_, n)[0]; }
  static bool is_there(std::future<Answer>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
};

constexpr float kLong = 8'000;  // rounds: much longer than anything else here takes

TEST_F(Aside, SumsUploadsAndCallsAreAnsweredWhileALoopRuns) {
  const FunctionRef f = climbing();
  const NodeRef x = param(DType::f32);
  const FunctionRef twice = function({x}, {elementwise(Op::add, {x, x})});
  const Nodes first = engine_->invoke(f, {scalar(0), scalar(1), scalar(3)});
  EXPECT_EQ(value(first[1]), 7.0F);
  const std::vector<float> many(1 << 18, 2.5F);
  const auto others = [&] {
    EXPECT_EQ(value(plus(scalar(5), 1)), 6.0F);
    EXPECT_EQ(value(reduce(Op::sum, vector<float>(*engine_, many), {}, false)), 2.5F * (1 << 18));
    EXPECT_EQ(value(engine_->invoke(twice, {scalar(21)})[0]), 42.0F);
  };
  others();  // kernels are made
  const NodeRef start = scalar(0);
  const Nodes ends = engine_->invoke(f, {start, scalar(0), scalar(kLong)});
  std::future<Answer> end = read_later(*engine_, ends[1]);

  others();
  // An argument of the loop is a value like others.
  EXPECT_EQ(value(plus(start, 9)), 9.0F);
  EXPECT_FALSE(is_there(end));

  // What needs its results waits for them, and so does another loop.
  const NodeRef more = plus(ends[0], 1);
  const NodeRef doubled = engine_->invoke(twice, {ends[0]})[0];
  const Nodes again = engine_->invoke(f, {scalar(0), scalar(0), scalar(10)});
  EXPECT_EQ(value(more), kLong + 1);
  EXPECT_TRUE(is_there(end));
  EXPECT_EQ(value(doubled), 2 * kLong);
  EXPECT_EQ(value(again[1]), 20.0F);
  EXPECT_EQ(tensor_of(*ends[1], end.get()).at(0), make_scalar(DType::f32, 2 * kLong));
}

// Values that the evaluation of a loop computes on its way are not computed aside as well.
TEST_F(Aside, ValuesUnderWayAreWaitedFor) {
  for (int round = 0; round < 3; ++round) {
    const NodeRef shared = plus(scalar(1), 2), kept = plus(shared, 4);
    const Nodes ends = climb(shared, kept, scalar(4'000));
    std::future<Answer> end = read_later(*engine_, plus(ends[1], 0));
    std::future<Answer> other = read_later(*engine_, plus(scalar(7), 1));
    std::future<Answer> both = read_later(*engine_, elementwise(Op::add, {shared, kept}));
    EXPECT_EQ(tensor_of(*shared, other.get()).at(0), make_scalar(DType::f32, 8.0));
    EXPECT_EQ(tensor_of(*shared, both.get()).at(0), make_scalar(DType::f32, 10.0));
    EXPECT_EQ(tensor_of(*shared, end.get()).at(0), make_scalar(DType::f32, 7.0 + 2 * (4'000 - 3)));
  }
}

TEST_F(Aside, FailuresAreThoseOfTheirOwnRequests) {
  const FunctionRef f = climbing();
  const Nodes ends = engine_->invoke(f, {scalar(0), scalar(0), scalar(kLong)});
  const NodeRef index = tensor<int32_t>(*engine_, {1}, {7});
  const NodeRef bad = elementwise(Op::quotient, {index, tensor<int32_t>(*engine_, {1}, {0})});
  EXPECT_NE(read(*engine_, bad).failure.status, Status::ok);
  EXPECT_EQ(value(ends[1]), 2 * kLong);
}

// Threads that share values and loops: everybody gets what is right.
TEST_F(Aside, ManyThreadsAtOnce) {
  const FunctionRef f = climbing();
  const NodeRef p = param(DType::f32), q = param(DType::f32);
  const FunctionRef sum = function({p, q}, {elementwise(Op::add, {p, q})});
  const NodeRef shared = scalar(3);
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<uint32_t>(t));
      NodeRef last = scalar(0);  // of value `known`
      float known = 0;
      for (int i = 0; i < 40; ++i) {
        switch (random() % 5) {
          case 0: {
            const float rounds = static_cast<float>(random() % 300);
            last = engine_->invoke(f, {last, shared, scalar(known + rounds)})[0];
            known += rounds;
            break;
          }
          case 1:
            last = engine_->invoke(sum, {last, shared})[0];
            known += 3;
            break;
          case 2:
            last = plus(plus(last, 1), 1);
            known += 2;
            break;
          case 3: {
            last = climb(last, shared, scalar(known + 40))[0];
            known += 40;
            break;
          }
          default:
            EXPECT_EQ(value(last), known);
        }
      }
      EXPECT_EQ(value(last), known);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace nxv::runtime
