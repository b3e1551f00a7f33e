// Regions of random graphs, with the kernels of several devices, in the interpreter.
#include "kernels/common/region_emitter.h"

#include <gtest/gtest.h>

#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/random/graph_check.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;
using nxv::testing::InterpreterOptions;

void check(const plan::DevicePlan& plan, const InterpreterOptions& interpreter,
           std::vector<DType> dtypes, uint64_t first, int graphs) {
  InterpretedDevice fused(plan, interpreter);
  schedule::Options one_at_a_time;
  one_at_a_time.fuse = false;
  InterpretedDevice apart(plan, interpreter, one_at_a_time);
  const auto evaluator = [](InterpretedDevice& device) {
    return GraphEvaluator{host_graveyard(),
                          [&](std::span<const NodeRef> nodes) { return device.evaluate(nodes); }};
  };
  AgreementOptions agreement;
  agreement.wide_products = agreement.f64_integers = plan.has.fast_f64;
  agreement.keeps_subnormals = plan.has.f32_subnormals;
  RandomGraphOptions options;
  options.dtypes = std::move(dtypes);
  options.ops = real_ops();
  for (int i = 0; i < graphs; ++i) {
    options.size = 3 + i % 12;
    options.max_elements = i % 8 == 0 ? 1500 : 120;
    EXPECT_EQ(check_random_graph(first + i, options, evaluator(fused), evaluator(apart), agreement),
              "");
  }
  EXPECT_EQ(fused.invalid() + apart.invalid(), "");
  EXPECT_LT(fused.dispatches(), apart.dispatches());
}

const std::vector<DType> kMixed = {DType::f32, DType::s32, DType::u8, DType::f16};
const std::vector<DType> kWide = {DType::f32, DType::s64, DType::u64, DType::f64};
const std::vector<DType> kNarrow = {DType::bf16, DType::f16, DType::f8_e5m2, DType::f8_e4m3fn,
                                    DType::s8,   DType::u16, DType::s4,      DType::u2};

TEST(RegionEmitter, DiscreteDevice) {
  InterpreterOptions fused_fma;
  fused_fma.fused_fma = true;
  check(discrete_plan(), fused_fma, kMixed, 1000, 30);
  check(discrete_plan(), fused_fma, kWide, 2000, 20);
  check(discrete_plan(), fused_fma, kNarrow, 3000, 20);
}

// No subgroups, 64-bit types, exact division or subnormal numbers.
TEST(RegionEmitter, BareDevice) {
  InterpreterOptions flushes;
  flushes.flush_subnormals = true;
  check(bare_plan(), flushes, kMixed, 4000, 30);
  check(bare_plan(), flushes, {DType::s64, DType::u64, DType::f32, DType::u8}, 5000, 20);
  check(bare_plan(), flushes, kNarrow, 6000, 20);
}

// Conversions of 16-bit floats of its own; f32 division and roots as far off as Vulkan lets them
// be.
TEST(RegionEmitter, DeviceOfInexactQuotients) {
  InterpreterOptions inexact;
  inexact.flush_subnormals = inexact.fused_fma = true;
  inexact.f32_quotient_error = 2;
  plan::Snapshot device = nxv::testing::h200();
  device.probes.bf16_conversion_exact = true;
  const plan::DevicePlan plan = plan::make_plan(device);
  EXPECT_TRUE(plan.has.native_bf16 && plan.has.native_f16);
  check(plan, inexact, kMixed, 9000, 30);
  check(plan, inexact, kNarrow, 10000, 40);
}

TEST(RegionEmitter, CpuDevice) {
  check(cpu_plan(), {}, kMixed, 7000, 20);
  check(cpu_plan(), {}, kWide, 8000, 20);
}

// Correctly rounded operations are the same bits on every device.
TEST(RegionEmitter, ExactResultsDoNotDependOnTheDevice) {
  RandomGraphOptions options;
  options.dtypes = {DType::s64, DType::s32, DType::u8, DType::f32};
  options.ops = {Op::add,         Op::subtract, Op::multiply, Op::less,       Op::select,
                 Op::transpose,   Op::pad,      Op::slice,    Op::reverse,    Op::reshape,
                 Op::concatenate, Op::cast,     Op::iota,     Op::reduce_max, Op::any};
  options.special_values = false;
  const plan::DevicePlan no_int64 = plan_with([](plan::Snapshot& s) {
    s.features.int64 = false;
    s.subgroup.shuffle = false;
  });
  InterpretedDevice a(discrete_plan()), b(no_int64), c(cpu_plan());
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const auto results = [&](InterpretedDevice& device) {
      std::vector<HostTensor> values;
      for (const NodeRef& root : random_graph(host_graveyard(), seed, options)) {
        values.push_back(device.evaluate(root));
      }
      return values;
    };
    const auto want = results(a);
    for (InterpretedDevice* other : {&b, &c}) {
      const auto got = results(*other);
      for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(difference(got[i], want[i]), "") << seed;
    }
  }
}

// A group that reaches past the end repeats the last element instead of walking on.
TEST(RegionEmitter, NoLoadLeavesItsBuffer) {
  InterpretedDevice device(discrete_plan());
  const auto owner = host_graveyard();
  for (int64_t n = 1; n < 12; ++n) {
    std::vector<Scalar> elements;
    for (int64_t i = 0; i < n; ++i) elements.push_back(make_scalar(DType::f32, i));
    const HostTensor t(DType::f32, {n}, elements);
    const auto x = host_value(owner, DType::f32, {n}, t.bytes);
    const HostTensor reversed = device.evaluate(reverse(x, {0}));
    for (int64_t i = 0; i < n; ++i) EXPECT_EQ(to_double(reversed.at(i)), n - 1 - i);
  }
}

TEST(RegionEmitter, FaultsNameTheElement) {
  InterpretedDevice device(discrete_plan());
  const auto owner = host_graveyard();
  const auto number = [&](std::initializer_list<double> list) {
    std::vector<Scalar> elements;
    for (double v : list) elements.push_back(make_scalar(DType::s32, v));
    const Shape shape = {static_cast<int64_t>(list.size())};
    return host_value(owner, DType::s32, shape, HostTensor(DType::s32, shape, elements).bytes);
  };
  const auto message = [&](const NodeRef& node) -> std::string {
    try {
      device.evaluate(node);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  const auto x = number({1, 2, 3, 4, 5, 6});
  EXPECT_EQ(message(elementwise(Op::quotient, {x, number({1, 1, 1, 1, 0, 0})})),
            "integer division by zero in quotient at element 4 of a result of shape {6}");
  // What lies beyond the end of five elements is no element.
  EXPECT_EQ(message(elementwise(Op::remainder, {number({1, 2, 3, 4, 5}), number({1, 1, 1, 1, 1})})),
            "");
  EXPECT_EQ(message(elementwise(Op::left_shift, {x, number({1, -1, 1, 1, 1, 1})})),
            "negative shift amount in left_shift at element 1 of a result of shape {6}");
  EXPECT_EQ(message(elementwise(Op::pow, {x, number({0, 1, 2, 3, 4, -5})})),
            "negative exponent of an integer in pow at element 5 of a result of shape {6}");
}

}  // namespace
}  // namespace nxv::kernels
