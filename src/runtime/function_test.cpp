// Functions: calls give the values of their graphs, bit for bit, in loops and branches too.
#include "graph/function.h"

#include <gtest/gtest.h>

#include <cmath>

#include "library/registry.h"
#include "testing/driver/function_fixture.h"

namespace nxv::runtime {
namespace {

class Functions : public FunctionFixture {
 protected:
  Counters counted() { return engine_->counters(); }
};

TEST_F(Functions, ResultsOfACallShareTheirWork) {
  const NodeRef x = param(DType::f32, {3}), y = param(DType::f32, {3});
  const NodeRef sum = elementwise(Op::add, {x, y});
  const NodeRef total = reduce(Op::sum, elementwise(Op::multiply, {sum, sum}), {}, false);
  const FunctionRef f = function({x, y}, {sum, total, x, sum});
  for (int i = 0; i < 3; ++i) {
    const float a = static_cast<float>(i);
    const Nodes r = engine_->invoke(
        f, {vector<float>(*engine_, {a, 2, 3}),
            elementwise(Op::add, {vector<float>(*engine_, {1, 1, 1}), num(DType::f32, 1)})});
    EXPECT_EQ(elements<float>(*engine_, r[0]), (std::vector<float>{a + 2, 4, 5}));
    EXPECT_EQ(elements<float>(*engine_, r[1]), (std::vector<float>{(a + 2) * (a + 2) + 41}));
    EXPECT_EQ(elements<float>(*engine_, r[2]), (std::vector<float>{a, 2, 3}));
    EXPECT_EQ(elements<float>(*engine_, r[3]), (std::vector<float>{a + 2, 4, 5}));
  }
}

// As a position's angles in each layer of a model.
TEST_F(Functions, ComputeOnceWhatIsWrittenTwice) {
  const NodeRef x = param(DType::f32, {8, 8});
  const auto product = [&] {
    const NodeRef scale = cast(iota(engine_->graveyard(), DType::s32, {8, 8}, 0), DType::f32);
    return matmul(x, elementwise(Op::add, {x, scale}));
  };
  const NodeRef one = product(), other = product();
  const FunctionRef f = function({x}, {elementwise(Op::subtract, {one, transpose(other, {1, 0})})});
  const FunctionRef g = function({x}, {elementwise(Op::subtract, {one, transpose(one, {1, 0})})});
  const auto kernels = [&](const FunctionRef& called, std::vector<float>* result) {
    const uint64_t before = counted().dispatches;
    const NodeRef argument = reshape(filled(*engine_, 64, 0.5F), {8, 8});
    *result = elements<float>(*engine_, engine_->invoke(called, {argument})[0]);
    return counted().dispatches - before;
  };
  std::vector<float> a, b;
  EXPECT_EQ(kernels(f, &a), kernels(g, &b));
  EXPECT_EQ(a, b);
}

TEST_F(Functions, CaptureStoredValuesAndComputeGenerators) {
  const NodeRef captured = vector<float>(*engine_, {1, 2, 3, 4});
  const NodeRef x = param(DType::f32, {4});
  const NodeRef index = cast(iota(engine_->graveyard(), DType::s32, {4}, -1), DType::f32);
  const FunctionRef f =
      function({x}, {elementwise(Op::add, {elementwise(Op::multiply, {x, captured}), index})});
  const Nodes r = engine_->invoke(f, {vector<float>(*engine_, {1, 1, 2, 2})});
  EXPECT_EQ(elements<float>(*engine_, r[0]), (std::vector<float>{1, 3, 8, 11}));
}

TEST_F(Functions, RepeatedCallsCompileNothing) {
  const NodeRef x = param(DType::f32, {64});
  const FunctionRef f = function({x}, {elementwise(Op::exp, {x}), elementwise(Op::negate, {x})});
  NodeRef value = filled(*engine_, 64, 0.5F);
  uint64_t compiled = 0;
  for (int i = 0; i < 20; ++i) {
    value = engine_->invoke(f, {value})[1];
    if (i == 2) {
      elements<float>(*engine_, value);
      compiled = counted().kernels_compiled;
    }
  }
  EXPECT_EQ(elements<float>(*engine_, value)[63], 0.5F);
  EXPECT_EQ(counted().kernels_compiled, compiled);
}

TEST_F(Functions, MemoryIsExactAfterwards) {
  const NodeRef x = param(DType::f32, {1024});
  const FunctionRef f = function(
      {x}, {reduce(Op::sum, elementwise(Op::exp, {x}), {}, false), elementwise(Op::add, {x, x})});
  const uint64_t before = settled(*engine_);
  {
    NodeRef v = filled(*engine_, 1024, 1);
    for (int i = 0; i < 10; ++i) v = engine_->invoke(f, {v})[1];
    EXPECT_EQ(elements<float>(*engine_, v)[5], 1024.0F);
  }
  EXPECT_EQ(settled(*engine_), before);
}

TEST_F(Functions, ArgumentsThatNobodyHoldsAreWrittenOver) {
  const NodeRef x = param(DType::f32, {4096});
  const FunctionRef f = function({x}, {elementwise(Op::add, {x, num(DType::f32, 1)})});
  uint64_t donations = 0;
  const auto count = [&] {
    engine_->call([&](Executor& e, vulkan::Device&) { donations = e.stats().donations; });
    return donations;
  };
  NodeRef kept = filled(*engine_, 4096, 1);
  NodeRef v = engine_->invoke(f, {kept})[0];
  EXPECT_EQ(count(), 0U);
  Nodes arguments{std::move(v)};
  v = engine_->invoke(f, std::move(arguments))[0];
  EXPECT_EQ(elements<float>(*engine_, v)[7], 3.0F);
  EXPECT_EQ(count(), 1U);
  EXPECT_EQ(elements<float>(*engine_, kept)[7], 1.0F);
}

TEST_F(Functions, LoopsRunWhileTheirConditionHolds) {
  const NodeRef i = param(DType::s32), v = param(DType::f32, {3});
  const NodeRef n = num(DType::s32, 10);
  const NodeRef ci = param(DType::s32), cv = param(DType::f32, {3});
  const FunctionRef condition = function({ci, cv}, {elementwise(Op::less, {ci, n})});
  const FunctionRef body = function({i, v}, {elementwise(Op::add, {i, num(DType::s32, 1)}),
                                             elementwise(Op::add, {v, cast(i, DType::f32)})});
  const NodeRef start = param(DType::s32), x = param(DType::f32, {3});
  const Nodes end = loop(Nodes{start, elementwise(Op::multiply, {x, x})}, condition, body);
  const FunctionRef f = function({start, x}, {end[1], elementwise(Op::negate, {end[0]})});
  for (int32_t from : {0, 7, 10, 11}) {
    const Nodes r = engine_->invoke(
        f, {tensor<int32_t>(*engine_, {}, {from}), vector<float>(*engine_, {0, 1, 2})});
    float sum = 0;
    for (int32_t k = from; k < 10; ++k) sum += static_cast<float>(k);
    EXPECT_EQ(elements<float>(*engine_, r[0]), (std::vector<float>{sum, 1 + sum, 4 + sum}));
    EXPECT_EQ(elements<int32_t>(*engine_, r[1]), (std::vector<int32_t>{-std::max(from, 10)}));
  }
}

TEST_F(Functions, BranchesTakeTheFirstThatHolds) {
  const NodeRef p = param(DType::u8), q = param(DType::s32), x = param(DType::f32, {2});
  const auto times = [&](double factor) {
    const NodeRef y = param(DType::f32, {2});
    return function({y}, {elementwise(Op::multiply, {y, num(DType::f32, factor)})});
  };
  const Nodes chosen =
      branch(Nodes{p, q}, Nodes{x}, std::vector<FunctionRef>{times(2), times(3), times(5)});
  const FunctionRef f = function({p, q, x}, {elementwise(Op::add, {chosen[0], x})});
  const auto run = [&](uint8_t a, int32_t b) {
    return elements<float>(*engine_, engine_->invoke(f, {tensor<uint8_t>(*engine_, {}, {a}),
                                                         tensor<int32_t>(*engine_, {}, {b}),
                                                         vector<float>(*engine_, {1, -1})})[0]);
  };
  EXPECT_EQ(run(1, 0), (std::vector<float>{3, -3}));
  EXPECT_EQ(run(1, -7), (std::vector<float>{3, -3}));
  EXPECT_EQ(run(0, -7), (std::vector<float>{4, -4}));
  EXPECT_EQ(run(0, 0), (std::vector<float>{6, -6}));
}

TEST_F(Functions, LoopsOfStoredValuesRunByThemselves) {
  const NodeRef i = param(DType::s64), ci = param(DType::s64);
  const FunctionRef condition = function({ci}, {elementwise(Op::less, {ci, num(DType::s64, 5)})});
  const FunctionRef body = function({i}, {elementwise(Op::add, {i, num(DType::s64, 2)})});
  const Nodes end = loop(Nodes{num(DType::s64, 1)}, condition, body);
  EXPECT_EQ(elements<int64_t>(*engine_, elementwise(Op::negate, {end[0]})),
            (std::vector<int64_t>{-5}));
}

TEST_F(Functions, LoopsAndBranchesOfConstantArrays) {
  // Few elements, which the host puts into memory. Rounds change one each.
  constexpr int64_t kElements = 100;
  const Shape shape{kElements};
  const auto filled = [&](double v) {
    return constant(engine_->graveyard(), make_scalar(DType::s64, v), shape);
  };
  const NodeRef ci = param(DType::s32), cx = param(DType::s64, shape);
  const NodeRef i = param(DType::s32), x = param(DType::s64, shape);
  const FunctionRef condition =
      function({ci, cx}, {elementwise(Op::less, {ci, num(DType::s32, 12)})});
  const NodeRef one = broadcast(num(DType::s64, 1), {1});
  const FunctionRef body = function({i, x}, {elementwise(Op::add, {i, num(DType::s32, 1)}),
                                             library::call("put_slice", Nodes{x, one, i}, {})[0]});
  const NodeRef a = param(DType::s64, shape), b = param(DType::s64, shape);
  const std::vector<FunctionRef> sides{function({a}, {a}),
                                       function({b}, {elementwise(Op::negate, {b})})};
  for (const int64_t value : {7, -5}) {
    std::vector<int64_t> expected(kElements, value);
    const Nodes side = branch(Nodes{tensor<int32_t>(*engine_, {}, {0})},
                              Nodes{filled(static_cast<double>(-value))}, sides);
    EXPECT_EQ(elements<int64_t>(*engine_, elementwise(Op::add, {side[0], num(DType::s64, 0)})),
              expected);
    const Nodes end =
        loop(Nodes{num(DType::s32, 0), filled(static_cast<double>(value))}, condition, body);
    std::fill_n(expected.begin(), 12, 1);
    EXPECT_EQ(elements<int64_t>(*engine_, elementwise(Op::add, {end[1], num(DType::s64, 0)})),
              expected);
  }
}

TEST_F(Functions, CountedLoopsReadNothing) {
  // x doubles while i < n; the inner loop counts what the outer one knows.
  const NodeRef i = param(DType::s32), n = param(DType::s32), x = param(DType::f32);
  const FunctionRef condition = function({i, n, x}, {elementwise(Op::less, {i, n})});
  const FunctionRef body =
      function({i, n, x}, {elementwise(Op::add, {i, num(DType::s32, 1)}), n,
                           elementwise(Op::add, {x, elementwise(Op::multiply, {x, x})})});
  const NodeRef count = param(DType::s32), start = param(DType::f32);
  const NodeRef twice = elementwise(Op::multiply, {count, num(DType::s32, 2)});
  const Nodes end = loop(Nodes{num(DType::s32, 0), twice, start}, condition, body);
  const FunctionRef f = function({count, start}, {end[2], end[0]});
  const auto run = [&](int32_t rounds) {
    const Nodes r = engine_->invoke(
        f, {tensor<int32_t>(*engine_, {}, {rounds}), tensor<float>(*engine_, {}, {0.0F})});
    EXPECT_EQ(elements<float>(*engine_, r[0]), std::vector<float>{0.0F});
    EXPECT_EQ(elements<int32_t>(*engine_, r[1]), std::vector<int32_t>{2 * rounds});
  };
  run(1);
  const uint64_t submissions = counted().submissions, compiled = counted().kernels_compiled;
  run(500);
  EXPECT_LE(counted().submissions - submissions, 250U);
  EXPECT_EQ(counted().kernels_compiled, compiled);
}

// The sum of a vector that grows until it is large enough: the device alone knows when.
TEST_F(Functions, LoopsThatTheDeviceDecidesOnReadOnceABatch) {
  const auto state = [&] { return Nodes{param(DType::f32), param(DType::f32, {2})}; };
  const Nodes c = state(), s = state(), start = state();
  const FunctionRef condition =
      function(c, {elementwise(Op::less, {reduce(Op::sum, c[1], {}, false), c[0]})});
  const FunctionRef body = function(s, {s[0], elementwise(Op::add, {s[1], num(DType::f32, 0.5)})});
  const FunctionRef f = function(start, {loop(start, condition, body)[1]});
  const auto run = [&](float limit) {
    const NodeRef r = engine_->invoke(
        f, {tensor<float>(*engine_, {}, {limit}), vector<float>(*engine_, {0, 0})})[0];
    const float rounds = std::max(0.0F, std::ceil(limit));
    EXPECT_EQ(elements<float>(*engine_, r), (std::vector<float>{rounds / 2, rounds / 2}));
  };
  for (const float limit : {-1.0F, 0.0F, 1.0F, 2.0F, 3.0F, 7.0F, 8.0F, 300.0F}) run(limit);
  const uint64_t submissions = counted().submissions, compiled = counted().kernels_compiled;
  run(10000);
  EXPECT_LE(counted().submissions - submissions, 2000U);
  EXPECT_EQ(counted().kernels_compiled, compiled);
}

TEST_F(Functions, FaultsOfARoundEndALoop) {
  // 12 / (3 - i) for i = 0, 1, ...: the fourth round has no value.
  const Nodes c{param(DType::s32), param(DType::s32)}, s{param(DType::s32), param(DType::s32)};
  const NodeRef x = param(DType::s32), from = param(DType::s32);
  const FunctionRef condition = function(c, {elementwise(Op::less, {c[1], num(DType::s32, 100)})});
  const NodeRef divisor = elementwise(Op::subtract, {num(DType::s32, 3), s[0]});
  const NodeRef quotient = elementwise(Op::quotient, {num(DType::s32, 12), divisor});
  const FunctionRef body =
      function(s, {elementwise(Op::add, {s[0], num(DType::s32, 1)}), quotient});
  const FunctionRef f = function({from, x}, {loop(Nodes{from, x}, condition, body)[1]});
  const auto run = [&](int32_t first, int32_t second) {
    return read_later(*engine_, engine_->invoke(f, {tensor<int32_t>(*engine_, {}, {first}),
                                                    tensor<int32_t>(*engine_, {}, {second})})[0])
        .get();
  };
  EXPECT_EQ(run(0, 1).failure.status, Status::arithmetic);
  EXPECT_FALSE(run(0, 100).failure);  // no round
  EXPECT_EQ(run(3, 1).failure.status, Status::arithmetic);
}

TEST_F(Functions, KnownPredicatesAreNotRead) {
  const NodeRef p = param(DType::s32), x = param(DType::f32, {2});
  const NodeRef y = param(DType::f32, {2});
  const Nodes chosen = branch(
      Nodes{elementwise(Op::greater, {p, num(DType::s32, 2)})}, Nodes{x},
      std::vector<FunctionRef>{function({y}, {elementwise(Op::negate, {y})}), function({y}, {y})});
  const FunctionRef f = function({p, x}, {chosen[0]});
  NodeRef value = vector<float>(*engine_, {1, 2});
  const auto call = [&](int32_t n) {
    value = engine_->invoke(f, {tensor<int32_t>(*engine_, {}, {n}), value})[0];
  };
  call(3);
  call(2);
  EXPECT_EQ(elements<float>(*engine_, value), (std::vector<float>{-1, -2}));
}

TEST_F(Functions, FaultsBelongToTheResultsThatDependOnThem) {
  const NodeRef a = param(DType::s32, {2}), b = param(DType::s32, {2});
  const FunctionRef f =
      function({a, b}, {elementwise(Op::quotient, {a, b}), elementwise(Op::add, {a, b})});
  const Nodes r =
      engine_->invoke(f, {vector<int32_t>(*engine_, {4, 6}), vector<int32_t>(*engine_, {2, 0})});
  EXPECT_EQ(read_later(*engine_, r[0]).get().failure.status, Status::arithmetic);
  EXPECT_EQ(elements<int32_t>(*engine_, r[1]), (std::vector<int32_t>{6, 6}));
}

TEST(Calls, WaitForMemoryWhereItIsShort) {
  constexpr int64_t kMega = int64_t{1} << 18;  // f32 elements of 1 MiB
  EngineOptions options = test_options();
  options.device.plan.memory_budget = 16 << 20;
  NXV_OPEN_OR_SKIP(engine, options);
  const NodeRef x = parameter(engine->graveyard(), DType::f32, {kMega});
  const FunctionRef twice = function({x}, {elementwise(Op::add, {x, x})});
  std::vector<NodeRef> held{filled(*engine, kMega, 1)};
  Answer answer;
  while (held.size() < 40 && !answer.failure) {
    held.push_back(engine->invoke(twice, {held.back()})[0]);
    answer = read_later(*engine, held.back()).get();
  }
  EXPECT_EQ(answer.failure.status, Status::alloc_failed) << answer.failure.message;
  // Calls and values that depend on it wait, too.
  const NodeRef last = elementwise(Op::add, {engine->invoke(twice, {held.back()})[0], held.back()});
  EXPECT_EQ(read_later(*engine, last).get().failure.status, Status::alloc_failed);
  const NodeRef dropped = engine->invoke(twice, {held.front()})[0];
  const auto rounds = static_cast<int>(held.size());
  held.clear();
  EXPECT_EQ(elements<float>(*engine, last)[7], std::ldexp(1.0F, rounds) * 1.5F);
  EXPECT_EQ(elements<float>(*engine, dropped)[7], 2.0F);
}

TEST_F(Functions, RefuseWhatDoesNotFit) {
  const NodeRef x = param(DType::f32, {3}), other = param(DType::f32, {3});
  const NodeRef y = elementwise(Op::add, {x, other});
  EXPECT_THROW(function({x}, {y}), Error);
  EXPECT_THROW(function({x, x, other}, {y}), Error);
  EXPECT_THROW(function({x, other}, {}), Error);
  EXPECT_THROW(function({x, other, y}, {y}), Error);
  const FunctionRef f = function({x, other}, {y});
  EXPECT_THROW(engine_->invoke(f, {filled(*engine_, 3, 0)}), Error);
  EXPECT_THROW(engine_->invoke(f, {filled(*engine_, 3, 0), filled(*engine_, 4, 0)}), Error);
  EXPECT_EQ(read_later(*engine_, y).get().failure.status, Status::invalid_argument);
}

}  // namespace
}  // namespace nxv::runtime
