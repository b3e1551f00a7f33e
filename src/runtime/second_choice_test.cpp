// Drivers that do not compile a kernel get a plainer one, with the same bits.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>

#include "runtime/describe.h"
#include "testing/driver/fake_driver.h"
#include "testing/driver/function_fixture.h"
#include "testing/numbers/agreement.h"

namespace nxv::runtime {
namespace {

using nxv::testing::FakeDriver;

constexpr int kUnknown = -13;  // VK_ERROR_UNKNOWN
constexpr const char* kCompile = "vkCreateComputePipelines";

// Kernels of several families, of which a device has choices: values of two readers.
Nodes graph(const GraveyardRef& owner) {
  const auto values = [&](const Shape& shape, float step) {
    HostTensor t(DType::f32, shape);
    for (int64_t i = 0; i < t.count(); ++i) {
      t.set(i, make_scalar(DType::f32, step * static_cast<float>(i % 97 - 48)));
    }
    return host_value(owner, t.dtype, t.shape, t.bytes);
  };
  const auto over_rows = [](Op op, const NodeRef& x) { return reduce(op, x, Axes{1}, true); };
  const NodeRef x = values({70, 130}, 0.125F), y = values({130, 66}, 0.25F);
  const NodeRef e =
      elementwise(Op::exp, {elementwise(Op::subtract, {x, over_rows(Op::reduce_max, x)})});
  const NodeRef softmax = elementwise(Op::divide, {e, over_rows(Op::sum, e)});
  return {softmax, matmul(softmax, y), elementwise(Op::sin, {transpose(x, {1, 0})}),
          reduce(Op::sum, x, Axes{0, 1}, false)};
}

std::vector<HostTensor> results(Engine& engine) {
  std::vector<HostTensor> all;
  for (const NodeRef& node : graph(engine.graveyard())) all.push_back(value(engine, node));
  return all;
}

EngineOptions options_with(FakeDriver& driver) {
  EngineOptions options = test_options();
  options.device.inject = driver.hook();
  options.device.cache_folder.clear();
  return options;
}

uint64_t failed(Engine& engine) {
  uint64_t count = 0;
  engine.call([&](Executor&, vulkan::Device& device) { count = device.kernels().stats().failed; });
  return count;
}

void expect_same(const std::vector<HostTensor>& got, const std::vector<HostTensor>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(difference(got[i], expected[i]), "") << "result " << i;
  }
}

TEST(SecondChoice, EachKernelThatIsRefusedGivesWayOnce) {
  NXV_OPEN_OR_SKIP(healthy);
  const std::vector<HostTensor> expected = results(*healthy);
  int kernels = 0;
  for (bool any = true; any; ++kernels) {
    ASSERT_LT(kernels, 40);
    FakeDriver driver;
    NXV_OPEN_OR_SKIP(engine, options_with(driver));
    driver.fail_call(kCompile, kernels, kUnknown);
    expect_same(results(*engine), expected);
    any = driver.has_failed();
    const uint64_t refused = failed(*engine);
    EXPECT_EQ(refused, any ? 1U : 0U);
    expect_same(results(*engine), expected);
    EXPECT_EQ(failed(*engine), refused) << "it is not asked for again";
  }
  EXPECT_GT(kernels, 4);
}

// Also where the kernels of a loop's body are refused.
TEST(SecondChoice, FunctionsRunPlainerKernels) {
  const auto rounds = [](Engine& engine) {
    const auto param = [&](DType type, Shape shape = {}) {
      return parameter(engine.graveyard(), type, std::move(shape));
    };
    const auto integer = [&](int64_t v) {
      return constant(engine.graveyard(), make_scalar(DType::s32, v), {});
    };
    const Nodes c{param(DType::s32), param(DType::f32, {40, 50})};
    const Nodes s{param(DType::s32), param(DType::f32, {40, 50})};
    const NodeRef mean = reduce(Op::sum, s[1], Axes{1}, true);
    const NodeRef x = param(DType::f32, {40, 50});
    const NodeRef last =
        loop(Nodes{integer(0), x}, function(c, {elementwise(Op::less, {c[0], integer(3)})}),
             function(s, {elementwise(Op::add, {s[0], integer(1)}),
                          elementwise(Op::tanh, {elementwise(Op::subtract, {s[1], mean})})}))[1];
    std::vector<float> start(2000);
    for (size_t i = 0; i < start.size(); ++i) start[i] = static_cast<float>(i % 31) / 64;
    return value(engine,
                 engine.invoke(function({x}, {last}), {tensor(engine, {40, 50}, start)})[0]);
  };
  NXV_OPEN_OR_SKIP(healthy);
  const HostTensor expected = rounds(*healthy);
  int kernels = 0;
  for (bool any = true; any; ++kernels) {
    ASSERT_LT(kernels, 20);
    FakeDriver driver;
    NXV_OPEN_OR_SKIP(engine, options_with(driver));
    driver.fail_call(kCompile, kernels, kUnknown);
    expect_same({rounds(*engine), rounds(*engine)}, {expected, expected});
    any = driver.has_failed();
  }
  EXPECT_GT(kernels, 1);
}

// If the plainest is refused, too, that is an error.
TEST(SecondChoice, ErrorsNameKernelDeviceAndDriver) {
  FakeDriver driver;
  EngineOptions options = test_options();
  options.device.cache_folder.clear();
  options.device.inject = [&](const char* call) {
    return driver.has_failed() && std::string(call) == kCompile ? kUnknown : driver.hook()(call);
  };
  NXV_OPEN_OR_SKIP(engine, options);
  driver.fail_call(kCompile, 0, kUnknown);
  const Answer answer = read(*engine, graph(engine->graveyard())[0]);
  EXPECT_EQ(answer.failure.status, Status::internal);
  const plan::Snapshot& device = engine->snapshot();
  for (const std::string& name : {std::string("'row_program'"), device.name, device.driver_info}) {
    EXPECT_NE(answer.failure.message.str().find(name), std::string::npos) << answer.failure.message;
  }
}

// A driver that refuses everything for a while, as some do that run short of something, is asked
// again: for the plainest kernel of a value, and of a Function.
TEST(SecondChoice, WhatIsRefusedInEveryFormIsAskedForAgain) {
  NXV_OPEN_OR_SKIP(healthy);
  const std::vector<HostTensor> expected = results(*healthy);
  for (const int code : {kUnknown, nxv::testing::kInitializationFailed}) {
    std::atomic<bool> is_ill{false};
    EngineOptions options = test_options();
    options.device.cache_folder.clear();
    options.device.inject = [&](const char* call) {
      return is_ill && std::string(call) == kCompile ? code : 0;
    };
    NXV_OPEN_OR_SKIP(engine, options);
    const NodeRef x = parameter(engine->graveyard(), DType::f32, {3});
    const FunctionRef f = function({x}, {elementwise(Op::tanh, {x})});
    const auto called = [&] {
      return read(*engine, engine->invoke(f, {tensor<float>(*engine, {3}, {0, 1, 2})})[0]);
    };
    is_ill = true;
    for (int i = 0; i < 3; ++i) {
      EXPECT_NE(read(*engine, graph(engine->graveyard())[0]).failure.status, Status::ok);
      EXPECT_NE(called().failure.status, Status::ok);
    }
    is_ill = false;
    expect_same(results(*engine), expected);
    EXPECT_EQ(called().failure.status, Status::ok);
    const uint64_t refused = failed(*engine);
    expect_same(results(*engine), expected);
    EXPECT_EQ(failed(*engine), refused);
  }
}

// So are kernels of probes, which then leave the answers that are safe; one that is asked for again
// may be taken.
TEST(SecondChoice, ProbesThatAreRefusedLeaveTheDeviceOpen) {
  NXV_OPEN_OR_SKIP(healthy);
  const std::vector<HostTensor> expected = results(*healthy);
  for (const bool for_good : {false, true}) {
    int first = 0;
    for (bool any = true; any; ++first) {
      ASSERT_LT(first, 60);
      std::atomic<int> kernels{0};
      std::atomic<bool> is_open{false}, has_refused{false};
      EngineOptions options = test_options();
      options.device.cache_folder.clear();
      options.device.inject = [&](const char* call) {
        if (is_open || std::string(call) != kCompile) return 0;
        const int number = kernels++;
        if (for_good ? number < first : number != first) return 0;
        has_refused = true;
        return kUnknown;
      };
      NXV_OPEN_OR_SKIP(engine, options);
      is_open = true;
      any = has_refused;
      const bool is_told = describe(*engine).find("could not be run") != std::string::npos;
      EXPECT_EQ(engine->probe_failures().empty(), !is_told);
      EXPECT_LE(is_told, any);
      EXPECT_TRUE(!for_good || is_told == any);
      EXPECT_TRUE(engine->snapshot().probes.done);
      const std::vector<HostTensor> got = results(*engine);
      for (size_t r = 0; r < got.size(); ++r) {
        for (int64_t i = 0; i < got[r].count(); ++i) {
          const double x = to_double(got[r].at(i)), y = to_double(expected[r].at(i));
          ASSERT_NEAR(x, y, 1e-4 * (1 + std::abs(y))) << "result " << r;
        }
      }
    }
    EXPECT_GT(first, 1);
  }
}

// Memory that is exhausted is no reason for another kernel.
TEST(SecondChoice, ExhaustedMemoryIsTriedAgain) {
  FakeDriver driver;
  NXV_OPEN_OR_SKIP(engine, options_with(driver));
  driver.fail_call(kCompile, 0, nxv::testing::kOutOfDeviceMemory);
  EXPECT_NO_THROW(results(*engine));
  EXPECT_EQ(failed(*engine), 1U);
}

}  // namespace
}  // namespace nxv::runtime
