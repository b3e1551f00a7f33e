// How SPIR-V is emitted for a device.
#pragma once

#include "plan/device_plan.h"
#include "spirv/emit.h"

namespace nxv::runtime {

inline spirv::EmitOptions emit_options(const plan::DevicePlan& plan) {
  spirv::EmitOptions options;
  // Mesa 22.3's lavapipe loads each component in a loop over the lanes that stalls once a lane.
  options.word_pairs = plan.profile == plan::Profile::cpu && plan.has.int64;
  options.signed_zero_inf_nan_f32 = plan.has.preserve_f32;
  options.signed_zero_inf_nan_f64 = plan.has.preserve_f64;
  options.denorm_preserve_f32 = plan.has.denorm_preserve_f32;
  options.denorm_preserve_f64 = plan.has.denorm_preserve_f64;
  return options;
}

}  // namespace nxv::runtime
