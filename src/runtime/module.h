// Kernels as modules of a device: how SPIR-V is emitted for it, and what Vulkan asks of a module.
#pragma once

#include <string>

#include "ir/kernel.h"
#include "plan/device_plan.h"
#include "spirv/translate.h"
#include "vulkan/kernel_cache.h"

namespace nxv::runtime {

spirv::Options spirv_options(const plan::DevicePlan& plan);

// The kernel must have passed ir::verify and need nothing that the device lacks.
vulkan::ShaderModule make_module(const ir::Kernel& kernel, const spirv::Options& options);

// What a module depends on besides its kernel's key. A plan follows from the device, its driver and
// the capabilities that are left.
std::string module_identity(const plan::Snapshot& device, const plan::DevicePlan& plan);

}  // namespace nxv::runtime
