// Private to src/vulkan. What drivers lack that stand on another system's graphics.
#pragma once

#include "plan/snapshot.h"
#include "vulkan/loader.h"

namespace nxv::vulkan {

inline constexpr const char* kPortabilitySubset = "VK_KHR_portability_subset";

// For a device that has the extension.
plan::Portability read_portability(const Instance& instance, VkPhysicalDevice device);

}  // namespace nxv::vulkan
