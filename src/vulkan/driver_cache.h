// Private to src/vulkan. The driver's VkPipelineCache, kept in a file between runs.
#pragma once

#include <mutex>
#include <string>

#include "vulkan/context.h"

namespace nxv::vulkan {

class DriverCache {
 public:
  // Starts from the file of this device and driver in `folder`, if it is there and intact; an empty
  // folder keeps nothing.
  DriverCache(const Context& context, const std::string& folder);
  ~DriverCache();
  DriverCache(const DriverCache&) = delete;
  DriverCache& operator=(const DriverCache&) = delete;

  VkPipelineCache handle() const { return cache_; }
  // Writes the file, whole or not at all; false when that was not possible. Any thread.
  bool save();

 private:
  const Context& context_;
  std::string path_;
  std::mutex mutex_;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
};

}  // namespace nxv::vulkan
