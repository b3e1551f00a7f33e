// Loops inside of loops that the data ends: rounds are recorded ahead all the same.
#include <gtest/gtest.h>

#include <functional>

#include "library/registry.h"
#include "testing/driver/function_fixture.h"

namespace nxv::runtime {
namespace {

class NestedLoops : public FunctionFixture {
 protected:
  NodeRef plus(const NodeRef& x, double v) { return elementwise(Op::add, {x, num(x->dtype, v)}); }
  static NodeRef less(const NodeRef& a, const NodeRef& b) { return elementwise(Op::less, {a, b}); }
  NodeRef scalar(float v) { return tensor<float>(*engine_, {}, {v}); }

  using Made = std::function<Nodes(const Nodes&)>;
  // The state while `condition` of it holds.
  Nodes repeat(const Nodes& state, const std::function<NodeRef(const Nodes&)>& condition,
               const Made& body) {
    const auto like = [&] {
      Nodes list;
      for (const NodeRef& v : state) list.push_back(param(v->dtype, v->shape));
      return list;
    };
    const Nodes tested = like(), before = like();
    return loop(state, function(tested, {condition(tested)}), function(before, body(before)));
  }
  // The state after the body of it and of i = first, first + 1, .. until i is `end`: the host
  // counts.
  Nodes counted(const NodeRef& first, const NodeRef& end, Nodes state, const Made& body) {
    state.insert(state.begin(), {first, end});
    Nodes after = repeat(
        state,
        [](const Nodes& s) {
          return elementwise(Op::not_equal, {s[0], s[1]});
        },
        [&](const Nodes& s) {
          Nodes made = body(s);
          made.insert(made.begin(), {plus(s[0], 1), s[1]});
          return made;
        });
    after.erase(after.begin(), after.begin() + 2);
    return after;
  }
  uint64_t submissions() { return engine_->counters().submissions; }
};

// x grows by 1 in each of 10 rounds within each round, until it has reached a limit.
TEST_F(NestedLoops, OfCountedRoundsReadOnceABatch) {
  const NodeRef x = param(DType::f32, {2}), limit = param(DType::f32);
  const Nodes end = repeat(
      {x, limit},
      [&](const Nodes& s) { return less(reduce(Op::reduce_max, s[0], {}, false), s[1]); },
      [&](const Nodes& s) {
        return Nodes{counted(num(DType::s32, 0), num(DType::s32, 10), {s[0]},
                             [&](const Nodes& t) { return Nodes{plus(t[2], 1)}; })[0],
                     s[1]};
      });
  const FunctionRef f = function({x, limit}, {end[0]});
  const auto run = [&](float most) {
    const float last = 10 * std::ceil(most / 10);
    const NodeRef r = engine_->invoke(f, {vector<float>(*engine_, {0, -1}), scalar(most)})[0];
    EXPECT_EQ(elements<float>(*engine_, r), (std::vector<float>{last, last - 1}));
  };
  for (const float most : {0.0F, 1.0F, 10.0F, 11.0F, 75.0F, 640.0F}) run(most);
  const uint64_t before = submissions(), compiled = engine_->counters().kernels_compiled;
  run(5000);
  // 500 rounds; the inner loop submits now and then without waiting.
  EXPECT_LE(submissions() - before, 250U);
  EXPECT_EQ(engine_->counters().kernels_compiled, compiled);
}

// Rows that an inner loop stores are all that is written.
TEST_F(NestedLoops, StoreInPlace) {
  constexpr int64_t kRows = 512, kColumns = 512, kStored = 4, kRounds = 20;
  const Shape shape{kRows, kColumns};
  const NodeRef x = param(DType::f32, shape), limit = param(DType::f32);
  const auto put_rows = [&](const Nodes& s) {
    return counted(num(DType::s32, 0), num(DType::s32, kStored), {s[2], s[0]}, [&](const Nodes& t) {
      const NodeRef at = elementwise(Op::add, {t[0], t[3]});
      const NodeRef row = broadcast(cast(plus(t[3], 1), DType::f32), {1, kColumns});
      const Nodes operands{t[2], row, at, num(DType::s32, 0)};
      return Nodes{library::call("put_slice", operands, {})[0], t[3]};
    });
  };
  const Nodes end = repeat(
      {num(DType::s32, 0), limit, x},
      [&](const Nodes& s) {
        const Nodes operands{s[2], num(DType::s32, 0), num(DType::s32, 0)};
        const NodeRef total = reduce(Op::sum, s[2], Axes{0}, false);
        return less(reshape(slice(total, Shape{0}, Shape{1}, Shape{1}), {}), s[1]);
      },
      [&](const Nodes& s) {
        return Nodes{plus(s[0], 1), s[1], put_rows(s)[0]};
      });
  const FunctionRef f = function({x, limit}, {end[2], end[0]});
  // Rows 0, 1, .. become 1, 2, ..; the last round stores four of its number.
  const float total = kRounds * (kRounds - 1) / 2 + 4 * kRounds;
  const auto run = [&] {
    Nodes alone{tensor(*engine_, shape, std::vector<float>(kRows * kColumns)), scalar(total)};
    const uint64_t before = engine_->counters().bytes_written;
    const Nodes r = engine_->invoke(f, std::move(alone));
    EXPECT_EQ(elements<int32_t>(*engine_, r[1]), std::vector<int32_t>{kRounds});
    const auto y = elements<float>(*engine_, r[0]);
    for (int64_t i = 0; i < kRounds + kStored; ++i) {
      const int64_t expected = std::min(i + 1, kRounds);
      EXPECT_EQ(y[i * kColumns + 5], i < kRounds + kStored - 1 ? static_cast<float>(expected) : 0);
    }
    return engine_->counters().bytes_written - before;
  };
  run();
  // With sums of columns for each round recorded; a copy would be a megabyte.
  EXPECT_LT(run(), 40 * (kStored + 2) * kColumns * 4);
}

// Both loops end when the data says so; and a branch whose side only the data knows.
TEST_F(NestedLoops, ThatTheDataEndsAndBranches) {
  // Collatz sequences of x, x + 1, .. until one has more than n steps; x and how many.
  const auto steps = [](int32_t x) {
    int32_t n = 0;
    for (; x != 1; ++n) x = x % 2 == 0 ? x / 2 : 3 * x + 1;
    return n;
  };
  const NodeRef x = param(DType::s32), n = param(DType::s32);
  const auto is_even = [&](const NodeRef& v) {
    return elementwise(Op::equal,
                       {elementwise(Op::remainder, {v, num(DType::s32, 2)}), num(DType::s32, 0)});
  };
  const NodeRef even = param(DType::s32), odd = param(DType::s32);
  const std::vector<FunctionRef> sides{
      function({even}, {elementwise(Op::quotient, {even, num(DType::s32, 2)})}),
      function({odd}, {plus(elementwise(Op::multiply, {odd, num(DType::s32, 3)}), 1)})};
  const Nodes end = repeat(
      {x, n, num(DType::s32, 0)},
      [&](const Nodes& s) {
        return elementwise(Op::less_equal, {s[2], s[1]});
      },
      [&](const Nodes& s) {
        const Nodes sequence = repeat(
            {s[0], num(DType::s32, 0)},
            [&](const Nodes& t) {
              return elementwise(Op::not_equal, {t[0], num(DType::s32, 1)});
            },
            [&](const Nodes& t) {
              return Nodes{branch(Nodes{is_even(t[0])}, Nodes{t[0]}, sides)[0], plus(t[1], 1)};
            });
        return Nodes{plus(s[0], 1), s[1], sequence[1]};
      });
  const FunctionRef f = function({x, n}, {end[0], end[2]});
  for (const int32_t most : {-1, 0, 1, 7, 8, 15, 19}) {
    int32_t first = 2, count = 0;
    while (count <= most) count = steps(first++);
    const auto number = [&](int32_t v) {
      return reduce(Op::sum, vector<int32_t>(*engine_, {v, 0}), {}, false);  // of the device
    };
    const Nodes r = engine_->invoke(f, {number(2), number(most)});
    EXPECT_EQ(elements<int32_t>(*engine_, r[0]), std::vector<int32_t>{first}) << most;
    EXPECT_EQ(elements<int32_t>(*engine_, r[1]), std::vector<int32_t>{count}) << most;
  }
}

// What a round would divide by is zero once it is not run any more; and a loop in it never ends.
TEST_F(NestedLoops, OfRoundsThatAreNotRunDoNothing) {
  const NodeRef x = param(DType::f32), d = param(DType::s32), first = param(DType::s32);
  const Nodes end = repeat(
      {x, d, first}, [&](const Nodes& s) { return less(num(DType::f32, 0), s[0]); },
      [&](const Nodes& s) {
        const auto inner = [&](const NodeRef& from, double end, const NodeRef& v, double step) {
          return counted(from, num(DType::s32, end), {v},
                         [&](const Nodes& t) { return Nodes{plus(t[2], step)}; })[0];
        };
        const NodeRef q = elementwise(Op::quotient, {num(DType::s32, 100), s[1]});
        const NodeRef none = elementwise(Op::multiply, {q, num(DType::s32, 0)});
        const NodeRef later = elementwise(Op::add, {plus(s[1], -10), none});
        return Nodes{inner(s[2], 20, s[0], -1), inner(num(DType::s32, 0), 9, later, 1), s[2]};
      });
  const FunctionRef f = function({x, d, first}, {end[0], end[1]});
  const auto run = [&](float rounds, int32_t divisor, int32_t from) {
    return engine_->invoke(f, {scalar(rounds), tensor<int32_t>(*engine_, {}, {divisor}),
                               tensor<int32_t>(*engine_, {}, {from})});
  };
  // Ten rounds within each; d is 3, 2, 1, and then would be 0.
  EXPECT_EQ(elements<float>(*engine_, run(30, 3, 10)[0]), std::vector<float>{0});
  EXPECT_EQ(elements<int32_t>(*engine_, run(30, 3, 10)[1]), std::vector<int32_t>{0});
  EXPECT_EQ(read(*engine_, run(31, 3, 10)[1]).failure.status, Status::arithmetic);
  // From 21 on it would count up to 2^32.
  EXPECT_EQ(elements<float>(*engine_, run(0, 3, 21)[0]), std::vector<float>{0});
  EXPECT_EQ(elements<float>(*engine_, run(-5, 0, 21)[0]), std::vector<float>{-5});
}

TEST_F(NestedLoops, LeaveNoMemoryBehind) {
  const NodeRef x = param(DType::f32, {100}), limit = param(DType::f32);
  const auto sum = [](const NodeRef& v) { return reduce(Op::sum, v, {}, false); };
  const Nodes end = repeat(
      {x, limit}, [&](const Nodes& s) { return less(sum(s[0]), s[1]); },
      [&](const Nodes& s) {
        const Nodes inner = repeat(
            {s[0], plus(sum(s[0]), 500)}, [&](const Nodes& t) { return less(sum(t[0]), t[1]); },
            [&](const Nodes& t) {
              return Nodes{plus(t[0], 1), t[1]};
            });
        return Nodes{inner[0], s[1]};
      });
  const FunctionRef f = function({x, limit}, {end[0]});
  const auto run = [&](float most) {
    const NodeRef r = engine_->invoke(f, {filled(*engine_, 100, 0), scalar(most)})[0];
    return elements<float>(*engine_, r)[7];
  };
  EXPECT_EQ(run(100), 5);
  const uint64_t before = settled(*engine_);
  EXPECT_EQ(run(10000), 100);
  EXPECT_EQ(settled(*engine_), before);
}

}  // namespace
}  // namespace nxv::runtime
