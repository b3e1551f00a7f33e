// Private to src/vulkan. A command buffer with what its commands need; used again once its epoch
// has completed.
#pragma once

#include <cstdint>
#include <vector>

#include "vulkan/context.h"
#include "vulkan/memory.h"
#include "vulkan/queue.h"

namespace nxv::vulkan {

struct CommandSlot {
  explicit CommandSlot(const Context& c) : context(c) {}
  // Nothing of it may be in use.
  ~CommandSlot();
  CommandSlot(const CommandSlot&) = delete;
  CommandSlot& operator=(const CommandSlot&) = delete;

  // Makes what is missing and has the buffer begun, with so many queries. Throws what the driver
  // answers; may then be called again.
  void begin(uint32_t query_count);

  const Context& context;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer buffer = VK_NULL_HANDLE;
  VkQueryPool queries = VK_NULL_HANDLE;
  uint64_t epoch = 0;  // 0: was never submitted
  std::vector<BlockRef> parameter_blocks;
  size_t parameter_block = 0;  // the one being filled
  uint64_t parameter_used = 0;
  std::vector<KernelTime> timed;  // without their times; the n-th has queries 2n and 2n+1

 private:
  bool is_used_ = false;  // begun since the pool was last reset
};

}  // namespace nxv::vulkan
