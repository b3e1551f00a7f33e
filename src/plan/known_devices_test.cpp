// The plans of devices that are known, by what their drivers report.
#include <gtest/gtest.h>

#include <algorithm>

#include "plan/device_plan.h"
#include "testing/driver/snapshots.h"

namespace nxv::plan {
namespace {

using namespace nxv::testing;

struct Expected {
  Snapshot (*device)();
  Profile profile;
  uint32_t row_subgroup_size;
  uint32_t subgroup_size;  // of matrix units
  uint32_t lane_registers;
  bool fast_f64, coopmat, int64;
};

struct ExpectedMatrices {
  Snapshot (*device)();
  uint32_t rows, columns, subgroup_size;
};

const Expected kExpected[] = {
    {h100, Profile::discrete, 32, 32, 256, true, true, true},
    {h200, Profile::discrete, 32, 32, 256, true, true, true},
    {polaris, Profile::discrete, 64, 64, 256, false, false, true},
    {vega, Profile::discrete, 64, 64, 256, false, false, true},
    {rdna1, Profile::discrete, 32, 64, 256, false, false, true},
    {rdna2, Profile::discrete, 32, 64, 256, false, false, true},
    {rdna3, Profile::discrete, 32, 64, 256, false, true, true},
    {rdna4, Profile::discrete, 32, 64, 256, false, true, true},
    {skylake, Profile::integrated, 16, 32, 128, true, false, true},
    {tiger_lake, Profile::integrated, 16, 32, 128, false, false, true},
    {dg2, Profile::discrete, 16, 32, 128, false, true, true},
    {lunar_lake, Profile::integrated, 16, 32, 128, false, true, true},
    {battlemage, Profile::discrete, 16, 32, 128, false, true, true},
    {adreno_630, Profile::integrated, 64, 128, 128, false, false, true},
    {adreno_660, Profile::integrated, 64, 128, 128, false, false, true},
    {adreno_740, Profile::integrated, 64, 128, 128, false, false, true},
    {adreno_750, Profile::integrated, 64, 128, 128, false, false, true},
    {v3d_42, Profile::integrated, 0, 16, 32, false, false, false},
    {v3d_71, Profile::integrated, 16, 16, 32, false, false, false},
    {apple_m1, Profile::integrated, 32, 32, 256, false, false, true},
    {apple_m1_linux, Profile::integrated, 32, 32, 256, false, false, true},
    {lavapipe_22, Profile::cpu, 8, 8, 256, true, false, true},
    {lavapipe_25, Profile::cpu, 8, 8, 256, true, false, true},
    {swiftshader, Profile::cpu, 4, 4, 256, false, false, false},
};

TEST(KnownDevices, HaveThePlansThatTheyShould) {
  for (const Expected& e : kExpected) {
    const Snapshot device = e.device();
    SCOPED_TRACE(device.name);
    const DevicePlan p = make_plan(device);
    EXPECT_EQ(p.profile, e.profile);
    EXPECT_EQ(p.row_subgroup_size, e.row_subgroup_size);
    EXPECT_EQ(p.subgroup_size, e.subgroup_size);
    EXPECT_EQ(p.tuning.lane_registers, e.lane_registers);
    EXPECT_EQ(p.has.fast_f64, e.fast_f64);
    EXPECT_EQ(p.has.coopmat, e.coopmat);
    EXPECT_EQ(p.has.int64, e.int64);
  }
  EXPECT_EQ(std::size(kExpected), known_devices().size()) << "each known device has a line";
}

// Of the device's own, of which those of kernels are made.
TEST(KnownDevices, MatricesHaveTheSidesThatDriversReport) {
  for (const ExpectedMatrices& e : {ExpectedMatrices{h200, 16, 16, 32},
                                    {rdna3, 16, 16, 64},
                                    {rdna4, 16, 16, 64},
                                    {dg2, 8, 8, 8},
                                    {lunar_lake, 8, 16, 16},
                                    {battlemage, 8, 16, 16}}) {
    const Snapshot device = e.device();
    SCOPED_TRACE(device.name);
    const DevicePlan p = make_plan(device);
    EXPECT_EQ(p.matrix_rows, e.rows);
    EXPECT_EQ(p.matrix_columns, e.columns);
    EXPECT_EQ(p.matrix_subgroup_size, e.subgroup_size);
    EXPECT_EQ(p.has.matrix_chains, e.rows == 16);
    EXPECT_EQ(p.matrix_shapes.size(), device.matrix_shapes.size());
    for (const MatrixShape& s : p.matrix_shapes) {
      EXPECT_EQ(s.m, 16u);
      EXPECT_EQ(s.n, 16u);
    }
  }
}

// Sums of halves lose too much; sides that make no matrix of 16 rows serve nothing.
TEST(KnownDevices, ShapesThatServeNothingAreLeftAlone) {
  Snapshot device = h200();
  device.matrix_shapes = {{16, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f16},
                          {12, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32},
                          {16, 16, 8, MatrixType::f16, MatrixType::f16, MatrixType::f32}};
  for (const MatrixShape& s : make_plan(device).matrix_shapes) {
    EXPECT_FALSE(s.k == 16 && s.accumulator == MatrixType::f32);
  }
  // The largest of those that do.
  device.matrix_shapes.push_back({8, 8, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32});
  device.matrix_shapes.push_back({16, 8, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32});
  const DevicePlan p = make_plan(device);
  EXPECT_EQ(p.matrix_rows, 16u);
  EXPECT_EQ(p.matrix_columns, 8u);
}

TEST(KnownDevices, PlansKeepTheLimits) {
  for (const Snapshot& device : known_devices()) {
    SCOPED_TRACE(device.name);
    const DevicePlan p = make_plan(device);
    const Tuning& t = p.tuning;
    const uint32_t most = device.limits.max_workgroup_invocations;
    for (uint32_t n : {t.workgroup, t.lone_workgroup, t.fold_workgroup, t.linear_workgroup,
                       p.max_row_workgroup}) {
      EXPECT_GE(n, 1u);
      EXPECT_LE(n, most);
    }
    if (p.row_subgroup_size != 0) {
      EXPECT_GE(p.row_subgroup_size, device.limits.min_subgroup_size);
      EXPECT_LE(p.row_subgroup_size, device.limits.max_subgroup_size);
      EXPECT_TRUE(p.can_demand(p.row_subgroup_size));
      EXPECT_EQ(std::min(t.fold_workgroup, p.max_row_workgroup) % p.row_subgroup_size, 0u);
    }
    EXPECT_TRUE(device.subgroup.required_size || !p.has.subgroup_size_control);
    EXPECT_LE(p.shared_memory_bytes, device.limits.shared_memory_bytes);
  }
}

TEST(KnownDevices, ADriverThatSaysNoStageMayDemandASizeGetsNoDemands) {
  Snapshot device = rdna2();  // 32 to 64
  device.subgroup.required_size = false;
  const DevicePlan p = make_plan(device);
  EXPECT_FALSE(p.has.subgroup_size_control);
  EXPECT_EQ(p.row_subgroup_size, 0u) << "which of the sizes a kernel gets is not known";
  EXPECT_FALSE(p.can_demand(32));
  EXPECT_FALSE(p.can_demand(64));
}

// Gen9's workgroups have at most 56 subgroups, if kernels demand their size.
TEST(KnownDevices, WorkgroupsHaveAsManySubgroupsAsTheDriverAllows) {
  EXPECT_EQ(make_plan(skylake()).max_row_workgroup, 16u * 56);
  EXPECT_EQ(make_plan(lunar_lake()).max_row_workgroup, 1024u);
  EXPECT_EQ(make_plan(vega()).max_row_workgroup, 1024u);
}

// By Metal, products that are marked would lose the signs of zeros.
TEST(KnownDevices, ProductsArePlainOnPortabilityDriversAlone) {
  for (const Snapshot& device : known_devices()) {
    EXPECT_EQ(make_plan(device).plain_products, device.driver_name == "MoltenVK") << device.name;
  }
}

}  // namespace
}  // namespace nxv::plan
