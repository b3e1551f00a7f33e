#include "plan/device_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.h"

namespace nxv::plan {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;
constexpr uint32_t version(uint32_t major, uint32_t minor) { return major << 22 | minor << 12; }

// Like Mesa's lavapipe.
Snapshot cpu_device() {
  Snapshot s;
  s.name = "cpu device";
  s.type = DeviceType::cpu;
  s.api_version = version(1, 3);
  s.has_compute_queue = true;
  s.limits.max_allocation_bytes = 2 * kGiB;
  s.limits.max_buffer_bytes = 4 * kGiB - 1;
  s.limits.shared_memory_bytes = 32768;
  s.limits.max_workgroup_invocations = 1024;
  s.limits.max_workgroup_size = {1024, 1024, 1024};
  s.limits.max_workgroup_count = {65535, 65535, 65535};
  s.limits.subgroup_size = s.limits.min_subgroup_size = s.limits.max_subgroup_size = 8;
  s.limits.timestamp_period_ns = 1;
  s.subgroup.arithmetic = s.subgroup.ballot = true;
  Features& f = s.features;
  f.buffer_device_address = f.timeline_semaphore = true;
  f.f64 = f.int64 = f.f16 = true;
  s.float32 = {true, false};
  s.heaps = {{8 * kGiB, 8 * kGiB, true}};
  s.memory_types = {{0, true, true, true, true}};
  return s;
}

// Where a buffer is better read through a texel view.
void make_old_lavapipe(Snapshot& s) {
  s.driver_name = "llvmpipe";
  s.driver_info = "Mesa 22.3.6 (LLVM 15.0.6)";
  s.features.push_descriptor = true;
  s.limits.max_allocation_bytes = 2 * kGiB;
  s.limits.max_texel_buffer_elements = 1 << 27;
  s.limits.texel_buffer_alignment = 16;
}

// Like a large NVIDIA card.
Snapshot discrete_device() {
  Snapshot s = cpu_device();
  s.name = "discrete device";
  s.type = DeviceType::discrete;
  s.vendor_id = 0x10de;
  s.limits.shared_memory_bytes = 101376;
  s.limits.subgroup_size = s.limits.min_subgroup_size = s.limits.max_subgroup_size = 32;
  s.limits.max_allocation_bytes = 80 * kGiB;
  s.limits.max_buffer_bytes = kGiB << 10;
  Features& f = s.features;
  f.vulkan_memory_model = f.subgroup_size_control = f.full_subgroups = true;
  f.cooperative_matrix = f.bfloat16 = f.memory_budget = true;
  f.int8 = f.integer_dot_product = true;
  s.fast_dots = {true, true, true};
  s.subgroup.required_size = true;
  s.heaps = {{80 * kGiB, 70 * kGiB, true}, {200 * kGiB, 200 * kGiB, false}};
  s.memory_types = {{0, true, false, false, false},
                    {0, true, true, true, false},
                    {1, false, true, true, false},
                    {1, false, true, true, true}};
  s.matrix_shapes = {
      {16, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32},
      {16, 16, 32, MatrixType::s8, MatrixType::s8, MatrixType::s32},
  };
  return s;
}

std::string refusal(const Snapshot& s) {
  try {
    make_plan(s);
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::no_device);
    return e.what();
  }
  return "";
}

TEST(DevicePlan, CpuProfileUsesOneSubgroupOverContiguousChunks) {
  const DevicePlan p = make_plan(cpu_device());
  EXPECT_EQ(p.profile, Profile::cpu);
  EXPECT_EQ(p.tuning.workgroup, 8u);
  EXPECT_EQ(p.tuning.chunk_elements, 8192u);
  // What one invocation loops over stays far below what lavapipe can count to.
  EXPECT_LT(p.tuning.chunk_elements / p.tuning.workgroup, p.max_loop_iterations);
  EXPECT_FALSE(p.use_staging);
  EXPECT_TRUE(p.fixed_subgroup_size);
}

TEST(DevicePlan, DiscreteProfileUsesOneVectorAnInvocation) {
  const DevicePlan p = make_plan(discrete_device());
  EXPECT_EQ(p.profile, Profile::discrete);
  EXPECT_EQ(p.tuning.workgroup, 256u);
  EXPECT_EQ(p.tuning.chunk_elements, 0u);
  EXPECT_TRUE(p.use_staging);
  EXPECT_EQ(p.push_bytes, 128u);
  EXPECT_TRUE(p.has.forward_progress);
}

TEST(DevicePlan, IntegratedDeviceSharesItsMemory) {
  Snapshot s = cpu_device();
  s.type = DeviceType::integrated;
  EXPECT_EQ(make_plan(s).profile, Profile::integrated);
  EXPECT_FALSE(make_plan(s).use_staging);
  s.memory_types = {{0, true, false, false, false}, {0, false, true, true, true}};
  EXPECT_FALSE(make_plan(s).use_staging) << "whatever the driver calls it";
}

TEST(DevicePlan, SharedMemoryStaysWhereDriversSurvive) {
  EXPECT_EQ(make_plan(cpu_device()).shared_memory_bytes, 32768u);
  EXPECT_EQ(make_plan(discrete_device()).shared_memory_bytes, 49152u);
}

TEST(DevicePlan, RefusesADeviceBelowTheFloorNamingAllThatIsMissing) {
  Snapshot s = cpu_device();
  EXPECT_EQ(refusal(s), "");
  s.api_version = version(1, 1);
  s.features.buffer_device_address = false;
  s.features.timeline_semaphore = false;
  const std::string message = refusal(s);
  for (const char* part :
       {"cpu device", "Vulkan 1.2 (it has 1.1)", "bufferDeviceAddress", "timelineSemaphore"}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << " in: " << message;
  }
  s = cpu_device();
  s.has_compute_queue = false;
  EXPECT_NE(refusal(s).find("a compute queue"), std::string::npos);
  s = cpu_device();
  s.memory_types = {{0, true, false, false, false}};
  EXPECT_NE(refusal(s).find("host-visible"), std::string::npos);
  s = cpu_device();
  s.api_version = version(2, 0);
  EXPECT_EQ(refusal(s), "") << "a later major version is not below the floor";
}

TEST(DevicePlan, EveryCapabilityCanBeForcedOff) {
  Snapshot s = discrete_device();
  s.float16 = s.float32 = s.float64 = {true, true};
  s.subgroup.shuffle = true;
  s.probes = {true, true, true, true, true, 0.5, true, true, true, true, true, true, true};
  make_old_lavapipe(s);
  const Capabilities all = make_plan(s).has;
  for (const CapabilityInfo& c : capability_table()) {
    EXPECT_TRUE(all.*c.flag) << c.name << " is on where everything is there";
    PlanOptions o;
    o.disable = {std::string(c.name)};
    EXPECT_FALSE(make_plan(s, o).has.*c.flag) << c.name;
  }
}

TEST(DevicePlan, OldLavapipeReadsThroughTexelViewsThatSpanAnyBuffer) {
  Snapshot s = cpu_device();
  make_old_lavapipe(s);
  EXPECT_TRUE(make_plan(s).has.texel_loads);
  const auto without = [&](auto change) {
    Snapshot other = s;
    change(other);
    return !make_plan(other).has.texel_loads;
  };
  EXPECT_TRUE(without([](Snapshot& o) { o.driver_info = "Mesa 23.0.0 (LLVM 15.0.7)"; }));
  EXPECT_TRUE(without([](Snapshot& o) { o.driver_info = "something else"; }));
  EXPECT_TRUE(without([](Snapshot& o) { o.driver_name = "another"; }));
  EXPECT_TRUE(without([](Snapshot& o) { o.features.push_descriptor = false; }));
  EXPECT_TRUE(without([](Snapshot& o) { o.limits.max_texel_buffer_elements -= 1; }));
  EXPECT_TRUE(without([](Snapshot& o) { o.limits.texel_buffer_alignment = 256; }));
}

TEST(DevicePlan, WhatBuildsOnADisabledCapabilityGoesWithIt) {
  Snapshot s = discrete_device();
  s.probes.f64_rate = 0.5;
  PlanOptions o;
  o.disable = {"f64", "memory_model"};
  const DevicePlan p = make_plan(s, o);
  EXPECT_FALSE(p.has.fast_f64);
  EXPECT_FALSE(p.has.coopmat);
  EXPECT_FALSE(p.has.bf16 || p.has.int8);
  EXPECT_TRUE(p.matrix_shapes.empty());
}

TEST(DevicePlan, AnUnknownCapabilityIsAnErrorThatListsThem) {
  PlanOptions o;
  o.disable = {"f65"};
  try {
    make_plan(cpu_device(), o);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::invalid_argument);
    EXPECT_NE(std::string(e.what()).find("subgroup_shuffle"), std::string::npos);
  }
}

TEST(DevicePlan, NothingIsAssumedBeforeTheProbes) {
  const Capabilities before = make_plan(discrete_device()).has;
  EXPECT_FALSE(before.native_div || before.native_sqrt || before.f32_subnormals ||
               before.fused_fma || before.fast_f64);
  Snapshot s = discrete_device();
  s.probes = {.done = true, .f32_div_exact = true, .f64_rate = 0.5, .matrix_units_exact = false};
  const Capabilities after = make_plan(s).has;
  EXPECT_TRUE(after.native_div);
  EXPECT_TRUE(after.fast_f64);
  EXPECT_FALSE(after.coopmat) << "a failed self-test switches matrix units off";
  EXPECT_FALSE(after.int8 || after.packed_dot || after.mixed_dot);
  s.probes.matrix_units_exact = true;
  EXPECT_TRUE(make_plan(s).has.coopmat);
  EXPECT_FALSE(make_plan(s).has.matrix_elements);
  s.probes.matrix_chains_exact = true;
  EXPECT_FALSE(make_plan(s).has.matrix_chains) << "elements are elsewhere";
  s.probes.matrix_elements_exact = true;
  EXPECT_TRUE(make_plan(s).has.matrix_chains);
  EXPECT_FALSE(make_plan(s).has.int8) << "that of integers failed";
  s.probes.integer_units_exact = s.probes.packed_dot_exact = true;
  EXPECT_TRUE(make_plan(s).has.int8 && make_plan(s).has.mixed_dot);
  s.fast_dots.of_signed = false;
  EXPECT_FALSE(make_plan(s).has.packed_dot) << "slow where one is";
}

TEST(DevicePlan, ConversionsAreTestedFirstAndStayOffOnCpus) {
  Snapshot s = discrete_device();
  s.features.f16 = true;
  EXPECT_TRUE(make_plan(s).has.native_bf16 && make_plan(s).has.native_f16);
  s.probes.done = true;
  EXPECT_FALSE(make_plan(s).has.native_bf16 || make_plan(s).has.native_f16);
  s.probes.bf16_conversion_exact = s.probes.f16_conversion_exact = true;
  EXPECT_TRUE(make_plan(s).has.native_bf16 && make_plan(s).has.native_f16);
  EXPECT_FALSE(make_plan(s).has.coopmat) << "they need no matrix units";
  s.type = DeviceType::cpu;
  EXPECT_FALSE(make_plan(s).has.native_bf16 || make_plan(s).has.native_f16);
}

TEST(DevicePlan, BudgetFollowsTheDriverUnlessItIsGiven) {
  const DevicePlan p = make_plan(discrete_device());
  EXPECT_LT(p.memory_budget, 70 * kGiB);
  EXPECT_GT(p.memory_budget, 60 * kGiB);
  PlanOptions o;
  o.memory_budget = 12345;
  EXPECT_EQ(make_plan(discrete_device(), o).memory_budget, 12345u);
}

TEST(DevicePlan, ProfileCanBeForced) {
  PlanOptions o;
  o.profile = Profile::discrete;
  const DevicePlan p = make_plan(cpu_device(), o);
  EXPECT_EQ(p.profile, Profile::discrete);
  EXPECT_TRUE(p.use_staging);
  EXPECT_EQ(p.subgroup_size, 8u) << "what the device is does not change";
  o.profile = Profile::cpu;
  EXPECT_TRUE(make_plan(discrete_device(), o).use_staging)
      << "device memory without host access needs staging whatever the profile";
}

}  // namespace
}  // namespace nxv::plan
