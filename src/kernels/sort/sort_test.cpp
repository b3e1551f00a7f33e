// Sorts on devices that are not there: GPUs with and without what they may lack, CPUs.
#include <gtest/gtest.h>

#include <random>

#include "graph/build.h"
#include "library/registry.h"
#include "testing/driver/interpreted.h"
#include "testing/driver/plans.h"
#include "testing/numbers/agreement.h"

namespace nxv::kernels {
namespace {

using nxv::testing::InterpretedDevice;

struct Case {
  const char* name;
  plan::DevicePlan plan;
};

std::vector<Case> devices() {
  plan::Snapshot small = nxv::testing::bare_gpu();
  small.limits.shared_memory_bytes = 16384;
  small.limits.max_workgroup_invocations = 128;
  return {{"discrete", discrete_plan()},
          {"Polaris", plan::make_plan(nxv::testing::polaris())},
          {"bare", plan::make_plan(small)},
          {"cpu", cpu_plan()}};
}

// Random bits: NaN of all kinds, infinities, both zeros, many duplicates among narrow types. With
// `few` distinct values among the others, too.
HostTensor noise(DType type, Shape shape, uint32_t seed, bool few = false) {
  std::mt19937_64 random(seed);
  HostTensor t(type, std::move(shape));
  for (int64_t i = 0; i < t.count(); ++i) {
    const uint64_t n = random();
    if (few || n % 4 == 0) {
      t.set(i, is_integer(type) ? make_scalar(type, static_cast<int64_t>(n >> 8) % 5)
                                : make_scalar(type, (n >> 8 & 1 ? -1.0 : 1.0) *
                                                        static_cast<double>((n >> 9) % 3)));
    } else if (is_integer(type)) {
      t.set(i, make_scalar(type, n));
    } else {
      t.set(i, {type, n >> (64 - bits(type)), 0});
    }
  }
  return t;
}

void check(const Case& c, const char* operation, DType type, Shape shape, bool descending,
           bool few = false) {
  const HostTensor x = noise(type, shape, static_cast<uint32_t>(shape.back()), few);
  const auto owner = host_graveyard();
  const NodeRef input = host_value(owner, type, shape, x.bytes);
  const std::vector<library::Option> options = {{"axis", {-1}, {}},
                                                {"descending", {descending ? 1 : 0}, {}}};
  const NodeRef node = library::call(operation, std::array{input}, options)[0];
  const HostTensor want = reference_evaluate(*node);
  InterpretedDevice device(c.plan);
  EXPECT_EQ(difference(device.evaluate(node), want), "")
      << operation << " of " << name(type) << to_string(shape) << (descending ? " desc" : " asc")
      << " on " << c.name;
  EXPECT_EQ(device.invalid(), "") << c.name;
}

TEST(Sort, RowsOfEveryLength) {
  for (const Case& c : devices()) {
    bool descending = false;
    for (int64_t length : {1, 2, 3, 31, 32, 33, 64, 65, 100, 256, 257, 700, 1024, 1025, 2048}) {
      check(c, "sort", DType::f32, {3, length}, descending);
      check(c, "argsort", DType::f32, {3, length}, !descending, true);
      descending = !descending;
    }
  }
}

TEST(Sort, LongRows) {
  for (const Case& c : devices()) {
    check(c, "sort", DType::f32, {2, 4097}, false);
    check(c, "sort", DType::f32, {10000}, true);
    check(c, "argsort", DType::f32, {2, 5000}, true);
    check(c, "argsort", DType::f32, {20000}, false, true);
  }
}

TEST(Sort, EveryType) {
  for (const Case& c : devices()) {
    if (c.plan.subgroup_size == 64) continue;
    for (int t = 0; t < kDTypeCount; ++t) {
      const auto type = static_cast<DType>(t);
      if (is_complex(type) || (type == DType::f64 && !c.plan.has.f64)) continue;
      for (int64_t length : {20, 300}) check(c, "sort", type, {length}, t % 2 == 0);
      check(c, "sort", type, {4200}, t % 2 != 0);
      check(c, "argsort", type, {4200}, t % 2 == 0);
    }
  }
}

TEST(Sort, ManyWorkgroups) {
  plan::DevicePlan plan = discrete_plan();
  plan.max_group_count = 3;
  check({"few groups a dimension", plan}, "sort", DType::s32, {7, 300}, false);
  check({"few groups a dimension", plan}, "argsort", DType::u16, {20000}, true);
}

}  // namespace
}  // namespace nxv::kernels
