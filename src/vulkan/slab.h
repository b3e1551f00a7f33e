// Private to src/vulkan. A buffer with memory of its own, which blocks are parts of.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vulkan/context.h"
#include "vulkan/heaps.h"
#include "vulkan/memory.h"

namespace nxv::vulkan {

// Which memory a slab may have.
enum class Reach : uint8_t {
  fast,  // that the device reads at full speed
  slow,  // other
  last,  // any, also of heaps that are said to be exhausted
};

struct Slab {
  // Allocates, binds, maps where the host sees it. Throws Error, leaving nothing behind:
  // Error(alloc_failed) where no heap within reach has so much.
  Slab(const Context& context, Heaps& heaps, uint64_t bytes, Use use, Reach reach);
  ~Slab();
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  const Context& context;
  Heaps& heaps;
  uint64_t bytes;
  Use use;
  bool dedicated = false;  // serves one request at a time
  bool is_slow = false;    // see plan::MemoryChoice
  bool reads_well = true;  // the host reads no other memory faster
  VkDeviceMemory memory = VK_NULL_HANDLE;
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t address = 0;
  VkBufferView texels = VK_NULL_HANDLE;  // all of it, 16 bytes each, where kernels read texels
  std::byte* host = nullptr;
  Block* first = nullptr;  // the block at offset 0

 private:
  void create(Reach reach);
  void allocate(Reach reach);
  void map();
  void create_view();
  void destroy();

  const plan::MemoryType* type_ = nullptr;
  uint64_t taken_ = 0;  // of the heap
};

}  // namespace nxv::vulkan
