// Calls of functions on a device that fails: every result is answered once, nothing leaks, and what
// can go on does.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>

#include "library/registry.h"
#include "testing/driver/fake_driver.h"
#include "testing/driver/function_fixture.h"

namespace nxv::runtime {
namespace {

using nxv::testing::FakeDriver;

// Of a vector x and an integer n: x after n rounds that write to it in place; after rounds whose
// number the device alone knows; what a branch makes of that, whose predicate is read; and x
// itself.
class Subject {
 public:
  explicit Subject(Engine& engine, int64_t length = 3000) : engine_(engine), length_(length) {
    const NodeRef x = param(DType::f32, {length_}), n = param(DType::s32);
    const NodeRef counted = loop(Nodes{number(0), n, x}, below(), writing())[2];
    const NodeRef grown = loop(Nodes{counted}, small(), growing())[0];
    const NodeRef large = elementwise(Op::greater, {total(grown), total(x)});
    const NodeRef chosen = branch(Nodes{large}, Nodes{grown}, sides())[0];
    const NodeRef scaled = elementwise(Op::multiply, {chosen, captured()});
    function_ = function({x, n}, {counted, grown, scaled, x});
  }

  // The arguments are nobody else's: they may be written over.
  Nodes invoke() {
    return engine_.invoke(function_, {elementwise(Op::add, {filled(engine_, length_, 1), real(1)}),
                                      tensor<int32_t>(engine_, {}, {3})});
  }

 private:
  NodeRef param(DType type, Shape shape = {}) {
    return parameter(engine_.graveyard(), type, std::move(shape));
  }
  NodeRef number(int64_t v) {
    return constant(engine_.graveyard(), make_scalar(DType::s32, v), {});
  }
  NodeRef real(double v) { return constant(engine_.graveyard(), make_scalar(DType::f32, v), {}); }
  NodeRef captured() { return filled(engine_, length_, 0.5F); }
  static NodeRef total(const NodeRef& x) { return reduce(Op::sum, x, {}, false); }

  FunctionRef below() {
    const Nodes s{param(DType::s32), param(DType::s32), param(DType::f32, {length_})};
    return function(s, {elementwise(Op::less, {s[0], s[1]})});
  }
  FunctionRef writing() {
    const Nodes s{param(DType::s32), param(DType::s32), param(DType::f32, {length_})};
    const NodeRef part = elementwise(Op::negate, {reshape(total(s[2]), {1})});
    return function(s, {elementwise(Op::add, {s[0], number(1)}), s[1],
                        library::call("put_slice", Nodes{s[2], part, s[0]}, {})[0]});
  }
  FunctionRef small() {
    const NodeRef x = param(DType::f32, {length_});
    return function({x}, {elementwise(Op::less, {total(elementwise(Op::abs, {x})), real(1e5)})});
  }
  FunctionRef growing() {
    const NodeRef x = param(DType::f32, {length_});
    return function({x}, {elementwise(Op::multiply, {x, real(1.5)})});
  }
  std::vector<FunctionRef> sides() {
    const NodeRef x = param(DType::f32, {length_}), y = param(DType::f32, {length_});
    return {function({x}, {elementwise(Op::negate, {x})}), function({y}, {reverse(y, {0})})};
  }

  Engine& engine_;
  const int64_t length_;
  FunctionRef function_;
};

// Of the results of one call: what they are, when all have answered. Twice answered is a failure.
std::vector<Answer> answers(Engine& engine, const Nodes& results) {
  std::vector<std::promise<Answer>> promises(results.size());
  const auto count = std::make_shared<std::atomic<size_t>>(0);
  for (size_t i = 0; i < results.size(); ++i) {
    engine.read(results[i], -1,
                [&promises, count, i](const Failure& failure, std::span<const std::byte> bytes) {
                  ++*count;
                  promises[i].set_value({failure, {bytes.begin(), bytes.end()}});
                });
  }
  std::vector<Answer> list;
  for (auto& p : promises) list.push_back(p.get_future().get());
  EXPECT_EQ(*count, results.size());
  return list;
}

class FailingCalls : public ::testing::Test {
 protected:
  void SetUp() override {
    options_ = test_options();
    options_.device.inject = driver_.hook();
    const auto engine = open_or_null(options_);
    if (!engine) GTEST_SKIP() << "no Vulkan device here";
    Subject subject(*engine);
    driver_.heal();
    for (const Answer& a : answers(*engine, subject.invoke())) {
      ASSERT_FALSE(a.failure) << a.failure.message;
      expected_.push_back(a.bytes);
    }
    first_ = driver_.calls();
    driver_.heal();
    answers(*engine, subject.invoke());
    again_ = driver_.calls();
  }

  // The calls of the driver in one call of the subject by name, each with how often it is made.
  // Semaphores are polled, as often as it takes.
  static std::vector<std::pair<std::string, int>> all(const std::map<std::string, int>& calls) {
    std::vector<std::pair<std::string, int>> list;
    for (const auto& [name, count] : calls) {
      for (int n = 0; n < (name == "vkGetSemaphoreCounterValue" ? 8 : count); ++n) {
        list.emplace_back(name, n);
      }
    }
    return list;
  }
  // Commands that were recorded are lost with it.
  static bool loses_commands(const std::string& name) { return name == "vkEndCommandBuffer"; }
  static bool is_of_compilers(const std::string& name) { return name.rfind("vkCreate", 0) == 0; }

  void expect_right(Engine& engine, Subject& subject, const std::string& when) {
    expect_right_or(Status::ok, answers(engine, subject.invoke()), when);
  }
  void expect_right_or(Status status, const std::vector<Answer>& got, const std::string& when) {
    for (size_t i = 0; i < got.size(); ++i) {
      if (status != Status::ok && got[i].failure) {
        EXPECT_EQ(got[i].failure.status, status) << when << ": " << got[i].failure.message;
      } else {
        EXPECT_EQ(got[i].failure.message, "") << when;
        EXPECT_TRUE(got[i].bytes == expected_[i]) << when << ": other bytes";
      }
    }
  }

  // What nobody refers to goes by itself, also on a device that is lost.
  static void expect_no_nodes(Engine& engine, const std::string& when) {
    for (int i = 0; i < 500 && engine.graveyard()->live_nodes() != 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(engine.graveyard()->live_nodes(), 0) << when;
  }

  FakeDriver driver_;
  EngineOptions options_;
  std::vector<std::vector<std::byte>> expected_;
  std::map<std::string, int> first_,
      again_;  // calls of the driver in the first call, in a later one
};

TEST_F(FailingCalls, EveryResultIsAnsweredWhicheverCallOfTheDriverFails) {
  size_t reached = 0;
  const auto other = open_or_null();
  Subject healthy(*other);
  for (const auto& [name, n] : all(first_)) {
    for (const int result : {nxv::testing::kOutOfDeviceMemory, nxv::testing::kDeviceLost}) {
      const std::string when = name + " " + std::to_string(n) + ": " + std::to_string(result);
      const bool is_lost = result == nxv::testing::kDeviceLost || loses_commands(name);
      const Status status = is_lost ? Status::device_lost : Status::alloc_failed;
      const auto engine = open_or_null(options_);
      const uint64_t before = settled(*engine);
      {
        Subject subject(*engine);
        driver_.fail_call(name, n, result);
        // The second one waits, or is recorded meanwhile.
        const Nodes first = subject.invoke(), second = subject.invoke();
        expect_right_or(status, answers(*engine, first), when);
        expect_right_or(status, answers(*engine, second), when);
        reached += driver_.has_failed();
        driver_.heal();
        const bool goes_on = !is_lost;
        expect_right_or(goes_on ? Status::ok : status, answers(*engine, subject.invoke()), when);
        if (goes_on) expect_right_or(Status::ok, answers(*engine, first), when);
      }
      expect_no_nodes(*engine, when);
      if (is_of_compilers(name) && !is_lost) {
        EXPECT_EQ(settled(*engine), before) << when;
      }
      expect_right(*other, healthy, "on another engine");
    }
  }
  EXPECT_GT(reached, all(first_).size());
}

// The same where all kernels are there: n counts through the rounds of the loops.
TEST_F(FailingCalls, ALostDeviceAnswersAllCallsAndAnotherEngineOpens) {
  for (const auto& [name, n] : all(again_)) {
    const std::string when = name + " " + std::to_string(n);
    const auto engine = open_or_null(options_);
    {
      Subject subject(*engine);
      expect_right(*engine, subject, "at first");
      std::vector<Nodes> calls;
      driver_.fail_call(name, n, nxv::testing::kDeviceLost);
      for (int i = 0; i < 3; ++i) calls.push_back(subject.invoke());
      for (const Nodes& results : calls) {
        expect_right_or(Status::device_lost, answers(*engine, results), when);
      }
      driver_.heal();
    }
    expect_no_nodes(*engine, when);
    const auto other = open_or_null();
    Subject subject(*other);
    expect_right(*other, subject, "on another engine");
  }
}

// Memory ends at any block that a call needs. A call that found none waits, with arguments that are
// intact; once there is room it goes on.
TEST_F(FailingCalls, ExhaustedMemoryIsAnsweredAndMadeUpFor) {
  constexpr int64_t kMega = int64_t{1} << 18;  // f32 elements of 1 MiB
  constexpr int kBudget = 32;
  options_.device.plan.memory_budget = uint64_t{kBudget} << 20;
  const auto engine = open_or_null(options_);
  const uint64_t before = settled(*engine);
  {
    Subject subject(*engine, kMega);
    std::vector<std::vector<std::byte>> expected;
    for (const Answer& a : answers(*engine, subject.invoke())) expected.push_back(a.bytes);
    const uint64_t between = settled(*engine);
    int failed = 0, right = 0;
    for (int room = 0; room <= 16; ++room) {
      const std::string when = "with " + std::to_string(room) + " MiB left";
      Nodes ballast;
      for (int i = 0; i < kBudget - room; ++i) {
        ballast.push_back(filled(*engine, kMega, 1));
        engine->evaluate(ballast.back());
      }
      const Nodes results = subject.invoke();
      for (const Answer& a : answers(*engine, results)) {
        ++(a.failure ? failed : right);
        if (a.failure) {
          EXPECT_EQ(a.failure.status, Status::alloc_failed) << when;
        }
      }
      ballast.clear();
      const auto later = answers(*engine, results);
      for (size_t i = 0; i < later.size(); ++i) {
        if (later[i].failure) {
          EXPECT_EQ(later[i].failure.status, Status::alloc_failed) << when;
        } else {
          EXPECT_TRUE(later[i].bytes == expected[i]) << when;
        }
      }
      const auto again = answers(*engine, subject.invoke());
      for (size_t i = 0; i < again.size(); ++i) {
        EXPECT_EQ(again[i].failure.message, "") << when;
        EXPECT_TRUE(again[i].bytes == expected[i]) << when;
      }
    }
    EXPECT_GT(failed, 0);
    EXPECT_GT(right, 0);
    EXPECT_EQ(settled(*engine), between);
  }
  EXPECT_EQ(settled(*engine), before);
  EXPECT_EQ(engine->graveyard()->live_nodes(), 0);
}

// A call that waits for memory holds its arguments, until nobody refers to its results any more.
TEST_F(FailingCalls, CallsThatWaitAreForgottenWithTheirResults) {
  constexpr int64_t kMega = int64_t{1} << 18;
  options_.device.plan.memory_budget = uint64_t{8} << 20;
  const auto engine = open_or_null(options_);
  const NodeRef x = parameter(engine->graveyard(), DType::f32, {8 * kMega});
  const FunctionRef twice = function({x}, {elementwise(Op::add, {x, x})});
  const NodeRef argument = filled(*engine, 7 * kMega, 1);
  engine->evaluate(argument);
  const NodeRef large = broadcast(slice(argument, Axes{0}, Axes{1}, Axes{1}), {8 * kMega});
  const int64_t nodes = engine->graveyard()->live_nodes();
  {
    const Nodes results = engine->invoke(twice, {large});
    EXPECT_EQ(answers(*engine, results)[0].failure.status, Status::alloc_failed);
  }
  for (int i = 0; i < 500 && engine->graveyard()->live_nodes() > nodes; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_EQ(engine->graveyard()->live_nodes(), nodes);
}

}  // namespace
}  // namespace nxv::runtime
