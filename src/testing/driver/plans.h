// Plans of devices that tests have not got.
#pragma once

#include <string>
#include <vector>

#include "plan/device_plan.h"
#include "testing/interpreter/interpreter.h"

namespace nxv::kernels {

inline plan::DevicePlan discrete_plan() {
  plan::DevicePlan p;
  p.profile = plan::Profile::discrete;
  p.has.f64 = p.has.fast_f64 = p.has.int64 = p.has.f32_subnormals = true;
  p.has.native_div = p.has.native_sqrt = p.has.fused_fma = true;
  p.has.subgroup_shuffle = p.has.subgroup_arithmetic = p.has.subgroup_ballot = true;
  p.push_bytes = 256;
  p.shared_memory_bytes = 49152;
  p.max_workgroup_invocations = 1024;
  p.subgroup_size = 32;
  p.fixed_subgroup_size = true;
  p.pointwise = {256, 4, 1024};
  p.reduction_workgroup = p.row_workgroup = p.sort_workgroup = 256;
  p.scatter_slots = uint64_t{1} << 23;
  return p;
}

// Nothing that a device may lack.
inline plan::DevicePlan bare_plan() {
  plan::DevicePlan p = discrete_plan();
  p.profile = plan::Profile::integrated;
  p.has = {};
  p.subgroup_size = 1;
  p.fixed_subgroup_size = false;
  p.push_bytes = 128;
  return p;
}

inline plan::DevicePlan cpu_plan() {
  plan::DevicePlan p = discrete_plan();
  p.profile = plan::Profile::cpu;
  p.has.fused_fma = false;
  p.push_bytes = 128;
  p.shared_memory_bytes = 32768;
  p.subgroup_size = 8;
  p.pointwise = {8, 4, 8192};
  p.scatter_slots = 0;
  return p;
}

// A device and how the interpreter plays it.
struct AbsentDevice {
  std::string name;
  plan::DevicePlan plan;
  nxv::testing::InterpreterOptions interpreter;
  // Computes as the first device of the list does: results have the same bits.
  bool is_alike = false;
};

// The first is a common GPU; each of the others differs in one way, but for the last two.
inline std::vector<AbsentDevice> absent_devices() {
  std::vector<AbsentDevice> list;
  const auto add = [&](const char* name, bool is_alike, auto change) {
    AbsentDevice d{name, discrete_plan(), {}, is_alike};
    change(d.plan);
    d.interpreter.flush_subnormals = !d.plan.has.f32_subnormals;
    d.interpreter.fused_fma = d.plan.has.fused_fma;
    list.push_back(d);
  };
  using Plan = plan::DevicePlan;
  add("discrete", true, [](Plan&) {});
  add("subgroups of 64", true, [](Plan& p) { p.subgroup_size = 64; });
  add("subgroups of 16", true, [](Plan& p) { p.subgroup_size = 16; });
  add("subgroups of any size", true, [](Plan& p) {
    p.subgroup_size = 16;
    p.fixed_subgroup_size = false;
  });
  list.back().interpreter.subgroup_size = 8;
  add("no subgroup operations", true, [](Plan& p) {
    p.has.subgroup_shuffle = p.has.subgroup_arithmetic = p.has.subgroup_ballot = false;
  });
  add("small workgroups", true, [](Plan& p) {
    p.profile = plan::Profile::integrated;
    p.max_workgroup_invocations = 128;
    p.shared_memory_bytes = 16384;
    p.max_group_count = 50;
    p.pointwise = {128, 4, 512};
    p.reduction_workgroup = p.row_workgroup = p.sort_workgroup = 128;
  });
  add("no int64", true, [](Plan& p) { p.has.int64 = false; });
  add("no f64", false, [](Plan& p) { p.has.f64 = p.has.fast_f64 = false; });
  add("slow f64", false, [](Plan& p) { p.has.fast_f64 = false; });
  add("flushes subnormals", false, [](Plan& p) { p.has.f32_subnormals = false; });
  add("no division", true, [](Plan& p) { p.has.native_div = p.has.native_sqrt = false; });
  add("no fused fma", false, [](Plan& p) { p.has.fused_fma = false; });
  add("matrix units", false, [](Plan& p) {
    using plan::MatrixType;
    p.has.f16 = p.has.storage_16bit = p.has.memory_model = true;
    p.has.coopmat = p.has.bf16 = true;
    p.matrix_shapes = {{16, 16, 16, MatrixType::f16, MatrixType::f16, MatrixType::f32},
                       {16, 16, 16, MatrixType::bf16, MatrixType::bf16, MatrixType::f32}};
  });
  list.push_back(list.back());
  list.back().name = "matrix units, subgroups of 64";
  list.back().plan.subgroup_size = 64;
  list.push_back({"bare", bare_plan(), {}, false});
  list.back().interpreter.flush_subnormals = true;
  list.push_back({"cpu", cpu_plan(), {}, false});
  return list;
}

}  // namespace nxv::kernels
