// Results in the storage of their operands: when, and never when somebody could notice.
#include <gtest/gtest.h>

#include "testing/driver/engine_fixture.h"

namespace nxv::runtime {
namespace {

constexpr int64_t kLarge = 1 << 18;

class Donation : public ::testing::Test {
 protected:
  void SetUp() override {
    engine_ = open_or_null();
    if (!engine_) GTEST_SKIP() << "no Vulkan device here";
  }

  uint64_t donations() {
    uint64_t n = 0;
    engine_->call([&](Executor& executor, vulkan::Device&) { n = executor.stats().donations; });
    return n;
  }
  NodeRef number(double v, DType type = DType::f32) {
    return constant(engine_->graveyard(), make_scalar(type, v), {});
  }
  NodeRef plus(const NodeRef& x, double v) {
    return elementwise(Op::add, {x, number(v, x->dtype)});
  }
  // A stored value on the device, referred to by the handle alone: 0, 1, 2, ...
  NodeRef stored(Shape shape, DType type = DType::f32) {
    const NodeRef x = iota(engine_->graveyard(), type, std::move(shape), -1);
    store(x);
    return x;
  }
  void store(const NodeRef& x) {
    std::promise<Failure> done;
    engine_->evaluate(x, [&](const Failure& f) { done.set_value(f); });
    EXPECT_FALSE(done.get_future().get());
  }
  // How many donations it took to store a value.
  uint64_t storing(const NodeRef& x) {
    const uint64_t before = donations();
    store(x);
    return donations() - before;
  }
  float first(const NodeRef& x) { return elements<float>(*engine_, x)[0]; }

  std::shared_ptr<Engine> engine_;
};

TEST_F(Donation, LongChainStaysInOneBuffer) {
  NodeRef x = stored({kLarge});
  const uint64_t before = settled(*engine_), peak = engine_->memory().peak;
  for (int i = 0; i < 50; ++i) {
    x = plus(x, 1);
    store(x);
  }
  EXPECT_EQ(settled(*engine_), before);
  EXPECT_EQ(engine_->memory().peak, peak);
  EXPECT_EQ(donations(), 50u);
  EXPECT_EQ(first(x), 50);
}

TEST_F(Donation, WithinOneEvaluationToo) {
  // The sum runs in the store of one product; the result of the other belongs to nobody else.
  NodeRef x = stored({64, 64});
  const NodeRef ones = eye(engine_->graveyard(), DType::f32, {64, 64});
  const NodeRef y = elementwise(Op::add, {matmul(x, ones), matmul(ones, plus(x, 1))});
  EXPECT_EQ(storing(y), 1u);
  EXPECT_EQ(elements<float>(*engine_, y)[65], 131);
}

// A parameter becomes what a step of gradient descent makes of it, in the store of the gradient,
// which is read transposed.
TEST_F(Donation, ParameterInTheStoreOfItsGradient) {
  NodeRef parameter = stored({48, 64});
  const NodeRef x = stored({32, 48}), g = stored({32, 64});
  const NodeRef gradient = transpose(matmul(transpose(g, {1, 0}), x), {1, 0});
  const NodeRef next = elementwise(Op::subtract, {parameter, gradient});
  parameter = {};
  EXPECT_EQ(storing(next), 1u);
  double wanted = 3 * 64 + 5;
  for (int k = 0; k < 32; ++k) wanted -= (k * 48.0 + 3) * (k * 64.0 + 5);
  EXPECT_FLOAT_EQ(elements<float>(*engine_, next)[3 * 64 + 5], static_cast<float>(wanted));
}

// Values that only the evaluation refers to do not outlive their last reader.
TEST_F(Donation, LargeIntermediatesGoWithTheirLastRead) {
  constexpr int64_t kSide = 768;  // 2.25 MiB
  constexpr uint64_t kBytes = kSide * kSide * sizeof(float);
  const NodeRef identity = stored({kSide, kSide});
  NodeRef x = eye(engine_->graveyard(), DType::f32, {kSide, kSide});
  const NodeRef held = x = matmul(identity, x);
  for (int i = 0; i < 12; ++i) {
    x = matmul(x, eye(engine_->graveyard(), DType::f32, {kSide, kSide}));
  }
  const uint64_t before = settled(*engine_);
  store(x);
  // At a time: what is held, an operand, an identity, the result.
  EXPECT_LE(engine_->memory().peak, before + 5 * kBytes);
  EXPECT_EQ(settled(*engine_), before + 2 * kBytes);
  EXPECT_EQ(first(held), 0);
  EXPECT_EQ(elements<float>(*engine_, x)[kSide + 1], kSide + 1);
}

TEST_F(Donation, NotWhileAHandleIsHeld) {
  const NodeRef x = stored({100});
  const NodeRef y = plus(x, 1);
  EXPECT_EQ(storing(y), 0u);
  EXPECT_EQ(first(x), 0);
  EXPECT_EQ(first(y), 1);
}

TEST_F(Donation, NotWhileAPendingValueNeedsTheOperand) {
  NodeRef x = stored({100});
  const NodeRef y = plus(x, 1);  // stays pending: fused into z
  const NodeRef z = elementwise(Op::multiply, {y, y});
  x = {};
  EXPECT_EQ(storing(z), 0u);
  EXPECT_EQ(elements<float>(*engine_, z)[2], 9);
  EXPECT_EQ(elements<float>(*engine_, y)[2], 3);
}

TEST_F(Donation, NotWhileAnAliasSharesTheStorage) {
  NodeRef x = stored({100});
  const NodeRef alias = reshape(x, {10, 10});
  store(alias);
  NodeRef y = plus(x, 1);
  x = {};
  engine_->trim();
  EXPECT_EQ(storing(y), 0u);
  EXPECT_EQ(first(alias), 0);
  EXPECT_EQ(first(y), 1);
}

TEST_F(Donation, OnlyForTheSameIndexAtTheSameWidth) {
  const auto in_place = [&](auto&& make, DType type = DType::f32) {
    const NodeRef y = make(stored({40}, type));
    return storing(y);
  };
  const std::vector<int64_t> zero = {0}, one = {1}, half = {20};
  EXPECT_EQ(in_place([&](const NodeRef& x) { return plus(x, 1); }), 1u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return cast(x, DType::s32); }), 1u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return cast(x, DType::c64); }), 0u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return cast(x, DType::u8); }), 0u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return reverse(x, {0}); }), 0u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return plus(slice(x, zero, half, one), 1); }), 0u);
  EXPECT_EQ(in_place([&](const NodeRef& x) {
              return elementwise(Op::add, {x, reverse(x, {0})});
            }),
            0u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return elementwise(Op::add, {x, x}); }), 1u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return plus(broadcast(x, {2, 40}), 1); }), 0u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return reduce(Op::sum, x, Axes{0}, false); }), 0u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return plus(reshape(x, {4, 10}), 1); }), 1u);
  EXPECT_EQ(in_place([&](const NodeRef& x) { return plus(x, 1); }, DType::u8), 1u);
}

// Results of one kernel: an operand's storage goes to one of them.
TEST_F(Donation, OfEachRootOfAKernel) {
  const auto step = [&](const NodeRef& p, const NodeRef& m, DType type) {
    const NodeRef momentum = elementwise(Op::add, {plus(m, 1), p});
    return std::vector{cast(momentum, type), elementwise(Op::subtract, {p, momentum})};
  };
  const auto storing_all = [&](const std::vector<NodeRef>& values) {
    const uint64_t before = donations();
    std::promise<Failure> done;
    engine_->evaluate(values, [&](const Failure& f) { done.set_value(f); });
    EXPECT_FALSE(done.get_future().get());
    return donations() - before;
  };
  auto values = step(stored({1000}), stored({1000}), DType::f32);
  EXPECT_EQ(storing_all(values), 2u);
  for (int i : {0, 7, 999}) {
    EXPECT_EQ(elements<float>(*engine_, values[0])[i], 2 * i + 1);
    EXPECT_EQ(elements<float>(*engine_, values[1])[i], -i - 1);
  }
  // Of another width; held by somebody; one for both.
  values = step(stored({1000}), stored({1000}), DType::c64);
  EXPECT_EQ(storing_all(values), 1u);
  const NodeRef held = stored({1000});
  values = step(stored({1000}), held, DType::f32);
  EXPECT_EQ(storing_all(values), 1u);
  EXPECT_EQ(first(held), 0);
  NodeRef x = stored({1000});
  values = {plus(x, 1), plus(x, 2)};
  x = {};
  EXPECT_EQ(storing_all(values), 1u);
  EXPECT_EQ(first(values[0]), 1);
  EXPECT_EQ(first(values[1]), 2);
}

TEST_F(Donation, NotWhatALaterStepReads) {
  NodeRef x = stored({64, 64});
  const NodeRef powers = elementwise(Op::exp, {x});
  const NodeRef y = matmul(powers, x);
  x = {};
  EXPECT_EQ(storing(y), 0u);
}

TEST_F(Donation, ReadsInFlightSeeTheOldBytes) {
  NodeRef x = stored({kLarge});
  for (int i = 0; i < 10; ++i) {
    std::future<Answer> old = read_later(*engine_, x);
    x = plus(x, 1);
    std::future<Answer> fresh = read_later(*engine_, x);
    const HostTensor before = tensor_of(*x, old.get()), after = tensor_of(*x, fresh.get());
    ASSERT_EQ(to_double(before.at(7)), 7 + i);
    ASSERT_EQ(to_double(after.at(7)), 8 + i);
    ASSERT_EQ(to_double(before.at(kLarge - 1)), kLarge - 1 + i);
  }
}

TEST_F(Donation, FaultsStayWithTheValue) {
  NodeRef x = elementwise(
      Op::quotient, {stored({8}, DType::s32), iota(engine_->graveyard(), DType::s32, {8}, 0)});
  store(x);
  x = plus(x, 1);
  x = plus(x, 1);
  EXPECT_EQ(status_of(*engine_, x), Status::arithmetic);
}

}  // namespace
}  // namespace nxv::runtime
