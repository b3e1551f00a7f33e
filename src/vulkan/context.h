// Private to src/vulkan. An instance, one of its devices, and what all parts share of it.
#pragma once

#include <memory>
#include <vector>

#include "plan/device_plan.h"
#include "plan/snapshot.h"
#include "vulkan/loader.h"

namespace nxv::vulkan {

struct DeviceOptions;

struct Context {
  static std::unique_ptr<Context> open(const DeviceOptions& options);
  ~Context();

  std::unique_ptr<Instance> instance;
  plan::Snapshot snapshot;
  plan::DevicePlan plan;
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  VkDevice device = VK_NULL_HANDLE;
  uint32_t queue_family = 0;
  VkQueue queue = VK_NULL_HANDLE;
  // Of every kernel: push constants of the plan's size, and, where kernels read through texel
  // views, kMaxTexelBuffers of them as push descriptors.
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkDescriptorSetLayout texel_layout = VK_NULL_HANDLE;

  // Drivers say what they made of kernels (DeviceOptions::statistics).
  bool has_statistics = false;

  const Functions& vk() const { return instance->vk; }
};

std::vector<VkPhysicalDevice> physical_devices(const Instance& instance);
plan::Snapshot take_snapshot(const Instance& instance, VkPhysicalDevice device);
// The queue family to compute on, or nothing: a compute-only one if there is one.
struct ComputeFamily {
  uint32_t index = 0;
  uint32_t timestamp_bits = 0;
  bool found = false;
};
ComputeFamily compute_family(const Instance& instance, VkPhysicalDevice device);
// Names of the device's extensions.
std::vector<std::string> device_extensions(const Instance& instance, VkPhysicalDevice device);

}  // namespace nxv::vulkan
