// A kernel that does nothing but multiply and add: how fast a device can at most.
#pragma once

#include "ir/kernel.h"
#include "plan/device_plan.h"
#include "vulkan/kernel_cache.h"

namespace nxv::runtime {

inline constexpr uint32_t kRateWorkgroup = 64;
inline constexpr double kRateOperations = 2.0 * 256 * 4 * 8;  // of an invocation

// Chains of `fma` in one type; the one parameter is a buffer of an element for each invocation.
vulkan::ShaderModule rate_kernel(const plan::DevicePlan& plan, ir::Type type);

}  // namespace nxv::runtime
