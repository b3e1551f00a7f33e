// Kernels for GPUs against those for CPUs, in the interpreter: the same bits.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "graph/build.h"
#include "kernels/lowering.h"
#include "schedule/schedule.h"
#include "spirv/translate.h"
#include "testing/driver/run_dispatch.h"
#include "testing/driver/snapshots.h"
#include "testing/driver/spirv_validate.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

using Bytes = std::vector<std::byte>;
using kernels::Lowering;
using kernels::Target;

struct Device {
  plan::DevicePlan plan;
  Target target;
  // Subgroups of one size, which shuffle; 0: none do.
  Device(plan::Profile profile, uint32_t subgroup, bool f64) {
    plan::Snapshot device = testing::common_gpu();
    device.probes = {.done = true, .f64_rate = 0.5};
    device.features.f64 = f64;
    if (subgroup == 0) {
      device.subgroup = {};
    } else {
      device.limits.subgroup_size = subgroup;
      device.limits.min_subgroup_size = device.limits.max_subgroup_size = subgroup;
    }
    plan::PlanOptions options;
    options.profile = profile;
    plan = plan::make_plan(device, options);
    target = kernels::make_target(plan);
  }
};

// Kernels own whole groups of four elements.
Bytes padded(size_t bytes) { return Bytes((bytes + 63) / 64 * 64); }

// With `partials`, the results of the first dispatch are given and only the later ones run. With
// `equal_rows`, so many rows are alike: the first dispatch runs for one, the others get its
// results.
Bytes run(const Region& region, const Target& target, const Bytes& partials = {},
          uint32_t equal_rows = 1) {
  const Lowering lowering = kernels::lower(region, target);
  std::vector<Bytes> operands, workspaces;
  for (const Operand& o : region.operands) {
    operands.push_back(padded(o.node->host_data->size()));
    std::copy(o.node->host_data->begin(), o.node->host_data->end(), operands.back().begin());
  }
  for (uint64_t bytes : lowering.workspaces) workspaces.push_back(padded(bytes));
  const auto size = static_cast<size_t>(region.root->storage_size());
  Bytes output = padded(size), fault(16, std::byte{0xff});
  if (!partials.empty()) workspaces[0] = partials;
  std::vector<testing::Argument> inputs, work;
  for (Bytes& b : operands) inputs.push_back(testing::Argument::buffer(b));
  for (Bytes& b : workspaces) work.push_back(testing::Argument::buffer(b));
  const std::vector outputs = {testing::Argument::buffer(output)};
  kernels::LaunchBuffers<testing::Argument> buffers{inputs, outputs, {}, work};
  if (region.can_fault()) buffers.fault = testing::Argument::buffer(fault);
  for (const kernels::Launch& d : lowering.launches) {
    if (!partials.empty() && &d == &lowering.launches.front()) continue;
    const ir::Kernel kernel = d.generate(region);
    EXPECT_EQ(testing::validate_spirv(spirv::translate(kernel, {})), "");
    testing::InterpreterOptions options;
    options.subgroup_size = target.plan->subgroup_size;
    const bool one_row = &d == &lowering.launches.front();
    kernels::Launch part = d;
    if (one_row) part.groups[0] /= equal_rows;
    testing::run_dispatch(part, kernel, buffers, region.words, options);
    if (!one_row || equal_rows == 1) continue;
    const size_t bytes = lowering.workspaces[0] / equal_rows;
    for (size_t row = 1; row < equal_rows; ++row) {
      std::memcpy(&workspaces[0][row * bytes], workspaces[0].data(), bytes);
    }
  }
  output.resize(size);
  return output;
}

Region only_region(const NodeRef& root) {
  std::vector<schedule::Item> steps = schedule::make_schedule(root, {});
  EXPECT_EQ(steps.size(), 1U);
  return std::move(steps[0].region);
}

// The family of the kernel that was chosen: keys begin with it.
std::string variant(const Region& region, const Target& target) {
  const std::string key = kernels::lower(region, target).launches[0].key;
  return key.substr(0, key.find(':'));
}

class Values {
 public:
  const GraveyardRef owner = host_graveyard();

  NodeRef make(DType type, Shape shape) {
    const int64_t count = element_count(shape);
    Bytes bytes(static_cast<size_t>(count * storage_bytes(type)));
    std::normal_distribution<double> normal(0, 3);
    for (int64_t i = 0; i < count; ++i) {
      // Now and then equal ones and zeros of both signs.
      double v = normal(random_);
      if (random_() % 16 == 0) v = random_() % 2 == 0 ? 0.0 : -0.0;
      if (is_integer(type)) v = std::trunc(std::fabs(v) * 8);
      store_scalar(make_scalar(type, v), bytes.data(), i);
    }
    return host_value(owner, type, std::move(shape), std::move(bytes));
  }

 private:
  std::mt19937 random_{7};
};

NodeRef over_columns(Op op, const NodeRef& x) {
  return reduce(op, x, Axes{static_cast<int64_t>(x->shape.size()) - 1}, true);
}

NodeRef softmax(const NodeRef& x) {
  const NodeRef e =
      elementwise(Op::exp, {elementwise(Op::subtract, {x, over_columns(Op::reduce_max, x)})});
  return elementwise(Op::divide, {e, over_columns(Op::sum, e)});
}

NodeRef centred(const NodeRef& x) {
  const NodeRef count =
      constant(x->shared_graveyard(), make_scalar(x->dtype, double(x->shape.back())), {});
  return elementwise(Op::subtract, {x, elementwise(Op::divide, {over_columns(Op::sum, x), count})});
}

void expect_same(const Region& region, bool f64, const char* expected_variant) {
  const Device gpu(plan::Profile::discrete, 32, f64), loop(plan::Profile::cpu, 32, f64),
      narrow(plan::Profile::cpu, 8, f64);
  EXPECT_EQ(variant(region, gpu.target), expected_variant);
  EXPECT_NE(variant(region, loop.target), variant(region, gpu.target));
  const Bytes got = run(region, gpu.target);
  EXPECT_TRUE(got == run(region, loop.target));
  EXPECT_TRUE(got == run(region, narrow.target));
  for (const uint32_t size : {0, 4, 8, 16, 64, 128}) {
    const Device other(plan::Profile::discrete, size, f64);
    EXPECT_TRUE(got == run(region, other.target)) << "subgroups of " << size;
  }
}

constexpr int64_t kColumns[] = {2, 3, 31, 33, 100, 128, 1000, 1024, 1025, 4096, 5000, 8192};

TEST(RowsInRegisters, SoftmaxIsThatOfTheLoops) {
  for (int64_t columns : kColumns) {
    for (bool f64 : {true, false}) {
      if (!f64 && columns > 1025) continue;
      SCOPED_TRACE(std::to_string(columns) + (f64 ? " f64" : " f32 pairs"));
      Values values;
      const int64_t rows = columns > 2000 ? 2 : 11;
      expect_same(only_region(softmax(values.make(DType::f32, {rows, columns}))), f64,
                  "row_program");
    }
  }
}

// Sums of f64 show in which order they were added.
TEST(RowsInRegisters, OrderOfSums) {
  for (int64_t columns : {100, 1000, 2048, 5000, 8192, 9300, 32768}) {
    SCOPED_TRACE(columns);
    Values values;
    const NodeRef x = values.make(DType::f64, {2, columns});
    expect_same(only_region(elementwise(Op::subtract, {x, over_columns(Op::sum, x)})), true,
                "row_program");
  }
}

TEST(RowsInRegisters, NarrowOutputs) {
  for (int64_t columns : {4, 100, 1024, 5000}) {
    SCOPED_TRACE(columns);
    Values values;
    expect_same(only_region(softmax(values.make(DType::f16, {3, columns}))), true, "row_program");
    const NodeRef x = values.make(DType::u8, {3, columns});
    expect_same(only_region(elementwise(Op::greater, {x, over_columns(Op::reduce_max, x)})), true,
                "row_program");
    expect_same(only_region(elementwise(Op::equal, {x, over_columns(Op::reduce_min, x)})), true,
                "row_program");
  }
}

TEST(RowsInRegisters, ChainsWithOperandsByColumn) {
  for (int64_t columns : {33, 128, 1024, 4100}) {
    SCOPED_TRACE(columns);
    Values values;
    const NodeRef x = values.make(DType::f32, {5, columns});
    const NodeRef c = centred(x);
    const NodeRef y = elementwise(Op::multiply, {c, values.make(DType::f32, {columns})});
    const NodeRef z =
        elementwise(Op::divide, {y, over_columns(Op::sum, elementwise(Op::multiply, {c, c}))});
    expect_same(only_region(z), true, "row_program");
  }
}

// Where the device's own division is not exact, a row divided by its number takes one reciprocal.
TEST(RowsInRegisters, DivisionOfARowIsDivisionOfItsElements) {
  constexpr int64_t kRows = 64, kCount = 260;
  Values values;
  std::mt19937 random(3);
  Bytes x(kRows * kCount * 4), limits(x.size()), divisors(kRows * 4);
  const auto number = [&](int low, int high) {
    const double mantissa = 1 + static_cast<double>(random() % (1 << 23)) / (1 << 23);
    const int exponent = low + static_cast<int>(random() % static_cast<uint32_t>(high - low));
    return std::ldexp(random() % 2 == 0 ? mantissa : -mantissa, exponent);
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const double specials[] = {0.0, -0.0, kInfinity, -kInfinity, kNaN, 0x1p-149, 0x1.8p-148, 1, 3};
  for (int64_t row = 0; row < kRows; ++row) {
    // Rows 8 to 31: quotients that are the middle between two subnormals.
    const double divisor = row < 8    ? specials[row]
                           : row < 32 ? std::ldexp(static_cast<double>(random() % 512 * 2 + 1), 20)
                                      : number(-126, 127);
    store_scalar(make_scalar(DType::f32, divisor), divisors.data(), row);
    for (int64_t i = 0; i < kCount; ++i) {
      double v = number(-149, 127);
      if (row >= 8 && row < 32)
        v = divisor * std::ldexp(static_cast<double>(random() % 4096 * 2 + 1), -150);
      if (i < 9) v = specials[i];
      store_scalar(make_scalar(DType::f32, v), x.data(), row * kCount + i);
      store_scalar(make_scalar(DType::f32, divisor), limits.data(), row * kCount + i);
    }
  }
  const NodeRef a = host_value(values.owner, DType::f32, {kRows, kCount}, x);
  const NodeRef all = host_value(values.owner, DType::f32, {kRows, kCount}, limits);
  const NodeRef each = host_value(values.owner, DType::f32, {kRows, 1}, divisors);
  Device gpu(plan::Profile::discrete, 32, true), loop(plan::Profile::cpu, 8, true);
  gpu.target.math.exact_f32_div_sqrt = loop.target.math.exact_f32_div_sqrt = false;
  const Region fused = only_region(elementwise(Op::divide, {a, over_columns(Op::reduce_max, all)}));
  const Bytes got = run(fused, gpu.target), other = run(fused, loop.target);
  const Bytes expected = run(only_region(elementwise(Op::divide, {a, each})), loop.target);
  for (int64_t i = 0; i < kRows * kCount; ++i) {
    const Scalar g = load_scalar(DType::f32, got.data(), i),
                 w = load_scalar(DType::f32, expected.data(), i),
                 o = load_scalar(DType::f32, other.data(), i);
    if (std::isnan(to_double(w))) {
      EXPECT_TRUE(std::isnan(to_double(g)) && std::isnan(to_double(o))) << i;
    } else {
      ASSERT_EQ(g, w) << "row " << i / kCount << " column " << i % kCount;
      ASSERT_EQ(o, w) << "row " << i / kCount << " column " << i % kCount;
    }
  }
}

TEST(RowsInRegisters, ReductionsOfManyRows) {
  for (Op op : {Op::sum, Op::product, Op::reduce_max, Op::reduce_min, Op::any}) {
    for (int64_t columns : {516, 4099}) {
      SCOPED_TRACE(std::string(name(op)) + " " + std::to_string(columns));
      Values values;
      const Shape shape = {columns > 1024 ? 256 : 2048, columns};
      const NodeRef x = values.make(op == Op::any ? DType::s32 : DType::f32, shape);
      NodeRef r = reduce(op, x, Axes{1}, false);
      if (op == Op::any) r = cast(r, DType::f32);
      const Region region = only_region(r);
      const Device gpu(plan::Profile::discrete, 32, true), loop(plan::Profile::cpu, 32, true);
      EXPECT_EQ(variant(region, gpu.target), "row_program");
      EXPECT_TRUE(run(region, gpu.target) == run(region, loop.target));
    }
  }
}

TEST(RowsInRegisters, WholeBlocksUnrolled) {
  for (int64_t count : {70, 1024, 5000, 4097, 140000}) {
    for (DType type : {DType::f32, DType::f64, DType::u8}) {
      SCOPED_TRACE(std::to_string(count) + " " + std::string(name(type)));
      Values values;
      const Region region =
          only_region(reduce(Op::sum, values.make(type, {count}), std::nullopt, false));
      const Device gpu(plan::Profile::discrete, 32, true), narrow(plan::Profile::cpu, 8, true);
      EXPECT_TRUE(run(region, gpu.target) == run(region, narrow.target));
    }
  }
}

// The last partial results of a row are folded by one workgroup.
TEST(Gathering, ItsBitsAreThoseOfTheStages) {
  Values values;
  std::mt19937 random(5);
  std::normal_distribution<double> normal(0, 3);
  const auto check = [&](Op op, DType type, const Shape& shape, bool f64) {
    SCOPED_TRACE(std::string(name(op)) + " " + std::string(name(type)) + " " + to_string(shape));
    const Region region =
        only_region(reduce(op, broadcast(values.make(type, {1, 1}), shape), Axes{1}, false));
    const Device one(plan::Profile::discrete, 32, f64);
    Device stages(plan::Profile::discrete, 32, f64);
    stages.plan.shared_memory_bytes = 0;
    const Target staged = kernels::make_target(stages.plan);
    const Target gathering = kernels::make_target(one.plan);
    const Lowering lowering = kernels::lower(region, gathering);
    ASSERT_EQ(lowering.launches.size(), 2U);
    EXPECT_EQ(kernels::lower(region, staged).launches.size(), 3U);
    Bytes partials = padded(lowering.workspaces[0]);
    for (size_t i = 0; i < partials.size(); i += 8) {
      if (f64) {
        const double v = normal(random);
        std::memcpy(&partials[i], &v, 8);
      } else {
        const auto v = static_cast<float>(normal(random));
        std::memcpy(&partials[i], &v, 4);
      }
    }
    EXPECT_TRUE(run(region, gathering, partials) == run(region, staged, partials));
  };
  for (int64_t count : {1025, 1026, 2047, 2048, 5003, 16384, 65536, 131072}) {
    check(Op::sum, DType::f64, {1, count * 1024}, true);  // unrounded: shows the order
  }
  check(Op::sum, DType::f64, {1, 1024 * 1024 + 1}, true);
  check(Op::sum, DType::f64, {3, 5000 * 1024}, true);
  check(Op::sum, DType::f64, {3, 2049 * 1024}, true);
  check(Op::sum, DType::f32, {1, 65536 * 1024}, true);
  check(Op::sum, DType::f32, {1, 3000 * 1024}, false);
  check(Op::sum, DType::f16, {3, 1025 * 1024}, true);
  check(Op::sum, DType::c64, {2, 1500 * 1024}, true);
  check(Op::product, DType::s32, {1, 1500 * 1024}, true);
  check(Op::reduce_max, DType::f32, {1, 1500 * 1024}, false);
}

// Workgroups that make accumulators of the second level give what blocks by themselves give.
TEST(Gathering, AccumulatorsOfTheSecondLevel) {
  constexpr int64_t kLevel = 1024 * 1024;
  const auto check = [](Op op, DType type, int64_t columns, uint32_t subgroup, bool f64) {
    SCOPED_TRACE(std::string(name(op)) + " " + std::string(name(type)) + " of " +
                 std::to_string(columns) + " by " + std::to_string(subgroup) + " lanes");
    const int64_t rows = columns > kLevel ? 16 : 32;  // enough to fill a device
    Values values;
    const NodeRef x = values.make(type, {1, columns});
    const Region many = only_region(reduce(op, broadcast(x, {rows, columns}), Axes{1}, false));
    const Region single = only_region(reduce(op, x, Axes{1}, false));
    const Device gpu(plan::Profile::discrete, subgroup, f64), cpu(plan::Profile::cpu, 8, f64);
    const Lowering lowering = kernels::lower(many, gpu.target);
    const int64_t levels = (columns + kLevel - 1) / kLevel;
    ASSERT_EQ(lowering.launches[0].groups[0], rows * levels * 32);
    const Bytes got = run(many, gpu.target, {}, static_cast<uint32_t>(rows));
    const Bytes want = run(single, cpu.target);
    for (int64_t row = 0; row < rows; ++row) {
      EXPECT_EQ(std::memcmp(&got[row * want.size()], want.data(), want.size()), 0) << row;
    }
  };
  for (int64_t columns : {kLevel, kLevel + 1, kLevel + 5003, 2 * kLevel - 1}) {
    check(Op::sum, DType::f64, columns, 32, true);  // unrounded: shows the order
  }
  for (uint32_t size : {0, 4, 16, 64, 128}) {
    check(Op::sum, DType::f64, kLevel + 133 * 1024 + 7, size, true);
  }
  check(Op::sum, DType::f32, kLevel + 77, 32, false);
  check(Op::product, DType::s32, kLevel + 3, 32, true);
  check(Op::reduce_max, DType::f32, kLevel + 2048, 32, true);
  check(Op::any, DType::u8, kLevel + 4, 8, true);
}

TEST(Transpose, TilesGiveWhatElementsGive) {
  const Shape shapes[] = {{32, 32}, {64, 128}, {100, 36}, {33, 70}, {17, 41}, {16, 300}};
  for (const Shape& shape : shapes) {
    for (DType type : {DType::f32, DType::f64, DType::s64, DType::f16, DType::u8, DType::c64}) {
      if (storage_bytes(type) < 4 && shape[0] % 4 != 0) continue;
      SCOPED_TRACE(to_string(shape) + " " + std::string(name(type)));
      Values values;
      expect_same(only_region(transpose(values.make(type, shape), {1, 0})), true, "transpose");
    }
  }
}

TEST(Transpose, BatchesAndOtherOperands) {
  Values values;
  const NodeRef x = values.make(DType::f32, {3, 40, 36}), y = values.make(DType::f32, {3, 36, 40});
  expect_same(only_region(elementwise(Op::add, {transpose(x, {0, 2, 1}), y})), true, "transpose");
  // The crossing dimension is the first of three; the other operand crosses elsewhere.
  const NodeRef z = values.make(DType::f32, {24, 3, 20});
  const NodeRef w = values.make(DType::f32, {20, 24, 3});
  expect_same(
      only_region(elementwise(Op::multiply, {transpose(z, {2, 1, 0}), transpose(w, {0, 2, 1})})),
      true, "transpose");
  // Two operands that cross alike, one of them of another type, and a scalar.
  const NodeRef a = values.make(DType::f32, {50, 30}), b = values.make(DType::u8, {50, 30});
  const NodeRef sum = elementwise(Op::add, {transpose(a, {1, 0}), transpose(b, {1, 0})});
  expect_same(only_region(elementwise(
                  Op::multiply, {sum, constant(values.owner, make_scalar(DType::f32, 0.5), {})})),
              true, "transpose");
  expect_same(only_region(reverse(transpose(a, {1, 0}), {1})), true, "transpose");
}

}  // namespace
}  // namespace nxv
