// Reductions follow one association tree, whatever the device and the layout.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "graph/build.h"
#include "kernels/reduction/reduction.h"
#include "kernels/reduction/row_program.h"
#include "kernels/reduction/sliding_windows.h"
#include "schedule/schedule.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/numbers/agreement.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

HostTensor noise(DType type, Shape shape, uint32_t seed) {
  std::mt19937 random(seed);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    const int64_t n = static_cast<int64_t>(random() % 20001) - 10000;
    t.set(i, is_integer(type) ? make_scalar(type, n) : make_scalar(type, std::ldexp(n, -7)));
  }
  return t;
}

std::vector<plan::DevicePlan> plans(bool fast_f64) {
  std::vector<plan::DevicePlan> list = {discrete_plan(), cpu_plan()};
  for (const uint32_t size : kSubgroupSizes) list.push_back(plan_of_subgroups(size));
  for (plan::DevicePlan& p : list) p.has.fast_f64 = fast_f64;
  return list;
}

// The same devices, and as many that are busy with a single row.
std::vector<plan::DevicePlan> busy_plans(bool fast_f64) {
  std::vector<plan::DevicePlan> list = plans(fast_f64);
  for (size_t i = 0, count = list.size(); i < count; ++i) {
    list.push_back(list[i]);
    list.back().tuning.busy_subgroups = 1;
  }
  return list;
}

Region region_of(const NodeRef& root) { return schedule::make_schedule(root, {}).back().region; }

// What a kernel is not chosen for has a reason.
TEST(Reductions, ChoicesSayWhy) {
  const auto owner = host_graveyard();
  const auto stored = [&](Shape shape) {
    const HostTensor t(DType::f32, shape);
    return host_value(owner, DType::f32, shape, t.bytes);
  };
  const Region rows = region_of(reduce(Op::sum, stored({4096, 1024}), Axes{1}, false));
  const Region few = region_of(reduce(Op::sum, stored({4, 1024}), Axes{1}, false));
  const plan::DevicePlan gpu = discrete_plan(), cpu = cpu_plan();
  EXPECT_EQ(registers_obstacle(rows, make_target(gpu)), nullptr);
  EXPECT_STREQ(registers_obstacle(few, make_target(gpu)), "rows are few, and better split");
  EXPECT_NE(registers_obstacle(rows, make_target(cpu)), nullptr);
  EXPECT_STREQ(sliding_obstacle(rows, make_target(gpu)), "rows are no small windows");
}

// The same values through each device, straight and as the columns of a transposed matrix.
void check_tree(Op op, DType type, int64_t length, bool fast_f64) {
  const HostTensor x = noise(type, {2, length}, static_cast<uint32_t>(length));
  HostTensor turned(type, {length, 2});
  for (int64_t i = 0; i < length; ++i) {
    for (int64_t r = 0; r < 2; ++r) turned.set(2 * i + r, x.at(r * length + i));
  }
  HostTensor want;
  for (const plan::DevicePlan& plan : plans(fast_f64)) {
    InterpretedDevice device(plan);
    const auto owner = host_graveyard();
    const auto rows = host_value(owner, type, {2, length}, x.bytes);
    const auto columns = host_value(owner, type, {length, 2}, turned.bytes);
    const HostTensor by_rows = device.evaluate(reduce(op, rows, Axes{1}, false));
    const HostTensor by_columns = device.evaluate(reduce(op, columns, Axes{0}, false));
    if (want.shape.empty()) {
      want = by_rows;
      const auto node = reduce(op, rows, Axes{1}, false);
      EXPECT_EQ(disagreement(*node, std::vector{x}, want), "");
    }
    EXPECT_EQ(difference(by_rows, want), "") << name(op) << " of " << length;
    EXPECT_EQ(difference(by_columns, want), "") << name(op) << " of columns of " << length;
    EXPECT_EQ(device.invalid(), "");
  }
}

TEST(Reduction, OneTreeForEveryDevice) {
  for (int64_t length : {1, 2, 3, 4, 5, 31, 64, 65, 127, 128, 129, 1000, 1023, 1024, 1025, 2500}) {
    check_tree(Op::sum, DType::f32, length, true);
    check_tree(Op::sum, DType::f32, length, false);
    check_tree(Op::reduce_max, DType::f16, length, true);
  }
  for (int64_t length : {1, 7, 130, 1025, 3000}) {
    check_tree(Op::product, DType::s32, length, true);
    check_tree(Op::sum, DType::s64, length, true);
    check_tree(Op::sum, DType::u8, length, true);
    check_tree(Op::sum, DType::f64, length, true);
    check_tree(Op::all, DType::bf16, length, false);
    check_tree(Op::any, DType::s8, length, true);
    check_tree(Op::reduce_min, DType::u8, length, true);
  }
}

TEST(Reduction, ManyBlocks) {
  check_tree(Op::sum, DType::f32, 40000, false);
  check_tree(Op::reduce_min, DType::f32, 33333, true);
}

// One row is not left to a team a block.
TEST(RowPrograms, FewRowsHaveManyInvocations) {
  const auto norm = [](int64_t rows) {
    const HostTensor t(DType::f32, {rows, 2048});
    const auto x = host_value(host_graveyard(), DType::f32, t.shape, t.bytes);
    return region_of(elementwise(Op::subtract, {x, reduce(Op::sum, x, Axes{1}, true)}));
  };
  const plan::DevicePlan gpu = discrete_plan();
  const auto invocations = [&](const Region& region) {
    const Lowering lowering = lower_rows_in_registers(region, make_target(gpu));
    return lowering.launches[0].generate(region).local_size;
  };
  EXPECT_EQ(invocations(norm(1)), 512u);
  EXPECT_EQ(invocations(norm(4096)), 64u);
}

// Rows that reductions are broadcast back into: in registers, by a team, by the teams of a
// workgroup, by several teams a block.
TEST(RowPrograms, OneTreeForEveryDevice) {
  const auto check = [](DType type, int64_t rows, int64_t length, bool fast_f64) {
    SCOPED_TRACE(std::string(name(type)) + " " + std::to_string(rows) + " x " +
                 std::to_string(length));
    const HostTensor x = noise(type, {rows, length}, static_cast<uint32_t>(length));
    HostTensor want;
    for (const plan::DevicePlan& plan : busy_plans(fast_f64)) {
      InterpretedDevice device(plan);
      const auto node = host_value(host_graveyard(), type, x.shape, x.bytes);
      const auto most =
          elementwise(Op::subtract, {node, reduce(Op::reduce_max, node, Axes{1}, true)});
      const auto sum = reduce(Op::sum, elementwise(Op::multiply, {most, most}), Axes{1}, true);
      const HostTensor got = device.evaluate(elementwise(Op::add, {most, cast(sum, type)}));
      if (want.shape.empty()) want = got;
      EXPECT_EQ(difference(got, want), "") << "subgroups of " << plan.row_subgroup_size;
      EXPECT_EQ(device.invalid(), "");
    }
  };
  for (int64_t length : {65, 200, 1000, 1024, 2500, 8192}) check(DType::f32, 3, length, true);
  for (int64_t length : {1000, 2500}) check(DType::f32, 17, length, false);
  // Of numbers of groups that few teams divide.
  for (int64_t length : {384, 640, 768, 896}) check(DType::f32, 1, length, true);
  check(DType::f64, 2, 5000, true);
  check(DType::f64, 2, 33000, true);
  check(DType::s64, 2, 1500, true);
  check(DType::bf16, 1, 2048, true);
  check(DType::bf16, 5, 2501, true);
}

// Rows whose results share words, and rows of several blocks.
TEST(RowPrograms, NarrowResults) {
  const HostTensor x = noise(DType::f16, {7, 3000}, 5);
  HostTensor want;
  for (const plan::DevicePlan& plan : busy_plans(true)) {
    InterpretedDevice device(plan);
    const auto node = host_value(host_graveyard(), x.dtype, x.shape, x.bytes);
    const auto most = reduce(Op::reduce_max, node, Axes{1}, true);
    const auto sum = reduce(Op::sum, elementwise(Op::subtract, {node, most}), Axes{1}, false);
    const HostTensor got = device.evaluate(sum);
    if (want.shape.empty()) want = got;
    EXPECT_EQ(difference(got, want), "") << "subgroups of " << plan.row_subgroup_size;
    EXPECT_EQ(device.invalid(), "");
  }
}

// Several columns of invocations on adjacent rows, the last of them beyond the end; also of results
// that share words.
TEST(Reduction, ManyColumns) {
  for (const DType type :
       {DType::f32, DType::s64, DType::u16, DType::c64, DType::bf16, DType::u8}) {
    for (const int64_t length : {70, 1100}) {
      HostTensor x = noise(type, {length, 75}, 9);
      InterpretedDevice device(discrete_plan());
      const auto owner = host_graveyard();
      const Op op = type == DType::u8 ? Op::reduce_max : Op::sum;
      const auto node = reduce(op, host_value(owner, type, x.shape, x.bytes), Axes{0}, false);
      const plan::DevicePlan gpu = discrete_plan();
      const ReductionLayout layout = choose_reduction(region_of(node), make_target(gpu),
                                                      {.columns = static_cast<uint64_t>(length)});
      EXPECT_GT(layout.column, 1u) << name(type);
      EXPECT_EQ(disagreement(*node, std::vector{x}, device.evaluate(node)), "");
      EXPECT_EQ(device.invalid(), "");
    }
  }
}

// 2^24 + 1 + 1 + ... is not swallowed by a plain f32 accumulator.
TEST(Reduction, SumsAreWide) {
  for (bool fast_f64 : {true, false}) {
    plan::DevicePlan plan = discrete_plan();
    plan.has.fast_f64 = fast_f64;
    InterpretedDevice device(plan);
    HostTensor x(DType::f32, {1001});
    x.set(0, make_scalar(DType::f32, 0x1p24));
    for (int64_t i = 1; i < x.count(); ++i) x.set(i, make_scalar(DType::f32, 1.0));
    const auto owner = host_graveyard();
    const auto node = host_value(owner, x.dtype, x.shape, x.bytes);
    EXPECT_EQ(to_double(device.evaluate(reduce(Op::sum, node, {}, false)).at(0)), 0x1p24 + 1000);
  }
}

TEST(Reduction, InfinitiesAndNaN) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (bool fast_f64 : {true, false}) {
    plan::DevicePlan plan = discrete_plan();
    plan.has.fast_f64 = fast_f64;
    InterpretedDevice device(plan);
    const auto sum = [&](std::initializer_list<double> list) {
      std::vector<Scalar> elements;
      for (double v : list) elements.push_back(make_scalar(DType::f32, v));
      const Shape shape = {static_cast<int64_t>(list.size())};
      const auto owner = host_graveyard();
      const auto x =
          host_value(owner, DType::f32, shape, HostTensor(DType::f32, shape, elements).bytes);
      return to_double(device.evaluate(reduce(Op::sum, x, {}, false)).at(0));
    };
    EXPECT_EQ(sum({1, kInfinity, 2}), kInfinity);
    EXPECT_EQ(sum({1, -kInfinity, 0x1.fffffep127}), -kInfinity);
    EXPECT_TRUE(std::isnan(sum({kInfinity, -kInfinity})));
    EXPECT_TRUE(std::isnan(sum({1, std::numeric_limits<double>::quiet_NaN()})));
    EXPECT_EQ(sum({0x1.fffffep127, 0x1.fffffep127}), kInfinity);
  }
}

// On a CPU a kernel takes longer to make than few elements to fold.
TEST(Reductions, OfFewElementsHaveOneKernelOnACpu) {
  const auto owner = host_graveyard();
  const auto key = [&](const plan::DevicePlan& plan, Shape shape) {
    const HostTensor zeros(DType::f32, shape);
    const NodeRef x = host_value(owner, DType::f32, shape, zeros.bytes);
    return lower(region_of(reduce(Op::sum, x, Axes{1}, false)), make_target(plan)).launches[0].key;
  };
  const plan::DevicePlan cpu = cpu_plan(), gpu = discrete_plan();
  for (const Shape& shape : {Shape{20, 32}, Shape{1, 99}, Shape{5, 3}, Shape{1000, 4}}) {
    EXPECT_EQ(key(cpu, shape), key(cpu, {24, 24})) << to_string(shape);
  }
  EXPECT_NE(key(cpu, {4000, 24}), key(cpu, {24, 24}));
  EXPECT_NE(key(gpu, {20, 32}), key(gpu, {1, 99}));
}

// Rows of few elements beside their sums, of every width of element.
TEST(Reductions, FewElementsBesideTheirRows) {
  for (const DType type : {DType::u8, DType::s16, DType::f16, DType::f32, DType::s64}) {
    for (const int64_t length : {1, 4, 6, 8, 24, 64, 100}) {
      const HostTensor x = noise(type, {3, length}, static_cast<uint32_t>(length));
      const auto owner = host_graveyard();
      const NodeRef rows = host_value(owner, type, {3, length}, x.bytes);
      const NodeRef centred =
          elementwise(Op::subtract, {rows, reduce(Op::reduce_max, rows, Axes{1}, true)});
      const HostTensor want = reference_evaluate(*centred);
      InterpretedDevice device(cpu_plan());
      EXPECT_EQ(difference(device.evaluate(centred), want), "") << name(type) << " of " << length;
    }
  }
}

}  // namespace
}  // namespace nxv::kernels
