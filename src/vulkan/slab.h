// Private to src/vulkan. A buffer with memory of its own, which blocks are parts of.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vulkan/context.h"
#include "vulkan/memory.h"

namespace nxv::vulkan {

struct Slab {
  // Allocates, binds, maps where the host sees it. Throws Error, leaving nothing behind.
  Slab(const Context& context, uint64_t bytes, Use use, bool staging);
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  const Context& context;
  uint64_t bytes;
  Use use;
  bool dedicated = false;  // serves one request at a time
  VkDeviceMemory memory = VK_NULL_HANDLE;
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t address = 0;
  VkBufferView texels = VK_NULL_HANDLE;  // all of it, 16 bytes each, where kernels read texels
  std::byte* host = nullptr;
  Block* first = nullptr;  // the block at offset 0

 private:
  void create(bool staging);
  void create_view();
  void destroy();
};

// Index of the memory type for a use, among those allowed by `type_bits`.
uint32_t memory_type(const VkPhysicalDeviceMemoryProperties& types, uint32_t type_bits, Use use,
                     bool staging);

}  // namespace nxv::vulkan
