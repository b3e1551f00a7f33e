// Plans of devices that tests have not got.
#pragma once

#include "plan/device_plan.h"

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
  return p;
}

}  // namespace nxv::kernels
