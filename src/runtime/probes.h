// Small kernels that run when a device opens and find out how its arithmetic behaves.
#pragma once

#include "vulkan/device.h"

namespace nxv::runtime {

plan::Probes run_probes(vulkan::Device& device);

}  // namespace nxv::runtime
