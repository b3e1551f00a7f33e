// Small kernels that run when a device opens and find out how its arithmetic behaves.
#pragma once

#include <string>
#include <vector>

#include "vulkan/device.h"

namespace nxv::runtime {

// What the probes found, and why those that could not be run could not: for them the answer that is
// safe on any device stands.
struct ProbeReport {
  plan::Probes probes;
  std::vector<std::string> failures;
};

// Throws Error(device_lost), and Error(alloc_failed) where results would depend on how much memory
// there happens to be.
ProbeReport run_probes(vulkan::Device& device);

}  // namespace nxv::runtime
