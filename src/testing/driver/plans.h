// Plans of devices that tests have not got.
#pragma once

#include <string>
#include <vector>

#include "plan/device_plan.h"
#include "plan/plainer.h"
#include "testing/driver/snapshots.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::kernels {

inline plan::DevicePlan discrete_plan() { return plan::make_plan(nxv::testing::common_gpu()); }
inline plan::DevicePlan bare_plan() { return plan::make_plan(nxv::testing::bare_gpu()); }
inline plan::DevicePlan cpu_plan() { return plan::make_plan(nxv::testing::lavapipe_25()); }

// The plan of a common GPU that `change` has made another of.
template <typename Change>
plan::DevicePlan plan_with(Change change) {
  plan::Snapshot device = nxv::testing::common_gpu();
  change(device);
  return plan::make_plan(device);
}

// With subgroups of one size; 0: without any that shuffle.
inline plan::DevicePlan plan_of_subgroups(uint32_t size) {
  return plan_with([&](plan::Snapshot& s) {
    if (size == 0) {
      s.subgroup = {};
    } else {
      s.limits.subgroup_size = s.limits.min_subgroup_size = s.limits.max_subgroup_size = size;
    }
  });
}
inline constexpr uint32_t kSubgroupSizes[] = {0, 4, 8, 16, 32, 64, 128};

// A device and how the interpreter plays it.
struct AbsentDevice {
  std::string name;
  plan::DevicePlan plan;
  nxv::testing::InterpreterOptions interpreter;
  // Computes as the first device of the list does: results have the same bits.
  bool is_alike = false;
};

inline AbsentDevice absent_device(std::string name, const plan::DevicePlan& plan, bool is_alike) {
  AbsentDevice d{std::move(name), plan, {}, is_alike};
  d.interpreter.flush_subnormals = !plan.has.f32_subnormals;
  d.interpreter.fused_fma = plan.has.fused_fma;
  return d;
}

// The first is a common GPU; each of the others differs in one way, but for the last three.
inline std::vector<AbsentDevice> absent_devices() {
  std::vector<AbsentDevice> list;
  const auto add = [&](const char* name, bool is_alike, auto change) {
    list.push_back(absent_device(name, plan_with(change), is_alike));
  };
  using plan::Snapshot;
  const auto subgroups_of = [](uint32_t size) {
    return [size](Snapshot& s) {
      s.limits.subgroup_size = s.limits.min_subgroup_size = s.limits.max_subgroup_size = size;
    };
  };
  const auto with_matrix_units = [](Snapshot& s) {
    using plan::MatrixType;
    s.features.cooperative_matrix = s.features.bfloat16 = s.features.int8 = true;
    s.matrix_shapes = {{16, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32},
                       {16, 16, 16, MatrixType::bf16, MatrixType::bf16, MatrixType::f32},
                       {16, 16, 32, MatrixType::s8, MatrixType::s8, MatrixType::s32},
                       {16, 16, 32, MatrixType::u8, MatrixType::u8, MatrixType::u32}};
    s.probes.matrix_units_exact = s.probes.integer_units_exact = true;
    s.probes.matrix_elements_exact = s.probes.matrix_chains_exact = true;
  };
  add("discrete", true, [](Snapshot&) {});
  add("subgroups of 64", true, subgroups_of(64));
  add("subgroups of 16", true, subgroups_of(16));
  add("subgroups of any size", true, [](Snapshot& s) {
    s.subgroup.required_size = false;
    s.limits.subgroup_size = 16;
    s.limits.min_subgroup_size = 8;
  });
  list.back().interpreter.subgroup_size = 8;
  add("no subgroup operations", true, [](Snapshot& s) { s.subgroup = {}; });
  add("small workgroups", true, [](Snapshot& s) {
    s.type = plan::DeviceType::integrated;
    s.limits.max_workgroup_invocations = 128;
    s.limits.shared_memory_bytes = 16384;
    s.limits.max_workgroup_count = {50, 50, 50};
  });
  add("few registers", true, [](Snapshot& s) { s.vendor_id = 0x8086; });
  add("no int64", true, [](Snapshot& s) { s.features.int64 = false; });
  add("no f64", false, [](Snapshot& s) { s.features.f64 = false; });
  add("slow f64", false, [](Snapshot& s) { s.probes.f64_rate = 0; });
  add("flushes subnormals", false, [](Snapshot& s) { s.probes.f32_subnormals = false; });
  add("no division", true,
      [](Snapshot& s) { s.probes.f32_div_exact = s.probes.f32_sqrt_exact = false; });
  add("no fused fma", false, [](Snapshot& s) { s.probes.f32_fma_fused = false; });
  add("packed dot products", true, [](Snapshot& s) {
    s.features.integer_dot_product = s.probes.packed_dot_exact = true;
    s.fast_dots = {true, true, true};
  });
  add("matrix units", false, with_matrix_units);
  // Intel's: of 8 or 16 columns, for the narrowest subgroups.
  for (const uint32_t columns : {8u, 16u}) {
    const char* name = columns == 8 ? "matrices of 8 x 8" : "matrices of 8 x 16";
    add(name, false, [&](Snapshot& s) {
      with_matrix_units(s);
      s.vendor_id = 0x8086;
      s.features.subgroup_size_control = s.features.full_subgroups = true;
      s.subgroup.required_size = true;
      s.limits.min_subgroup_size = columns;
      for (plan::MatrixShape& shape : s.matrix_shapes) {
        shape.m = 8;
        shape.n = columns;
      }
    });
  }
  add("matrix units, subgroups of 64", false, [&](Snapshot& s) {
    with_matrix_units(s);
    subgroups_of(64)(s);
  });
  list.push_back(absent_device("plainer kernels", plan::plainer(discrete_plan()), true));
  list.push_back(absent_device("bare", bare_plan(), false));
  list.push_back(absent_device("cpu", cpu_plan(), false));
  return list;
}

}  // namespace nxv::kernels
