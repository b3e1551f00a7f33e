// Bytes between the host and blocks: a plain copy where the host sees the block, else staged in
// chunks, so that copying to the staging memory overlaps with the device's copies.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "plan/device_plan.h"
#include "vulkan/memory.h"
#include "vulkan/queue.h"

namespace nxv::vulkan {

// Bytes on their way to the host. They are there once `epoch` has completed and as long as `block`
// is held; any thread may then read them.
struct Readback {
  BlockRef block;
  const std::byte* bytes = nullptr;
  uint64_t size = 0;
  uint64_t epoch = 0;
};

// On the engine's thread only.
class Transfers {
 public:
  Transfers(MemoryPool& memory, Queue& queue, const plan::DevicePlan& plan)
      : memory_(memory), queue_(queue), plan_(plan) {}

  // A block for data that the host will provide: one that upload() can write without staging,
  // where the plan allows that.
  BlockRef allocate_for_upload(uint64_t size);

  // Commands recorded later see the bytes; commands recorded before do not. `from` may be freed on
  // return. Large uploads are submitted in pieces.
  void upload(std::span<const std::byte> from, Block& to, uint64_t offset = 0);

  // Starts bringing bytes to the host; the caller submits. No copy where the host reads the block
  // as fast as any memory: then the caller must not let commands recorded later write to it before
  // the epoch completes.
  Readback read(const BlockRef& from, uint64_t offset, uint64_t size);

  // Submits, and waits until the bytes are there. Throws the queue's failure.
  void finish(const Readback& read);
  // Submits, waits and copies. Throws the queue's failure.
  void download(const BlockRef& from, uint64_t offset, std::span<std::byte> to);

 private:
  MemoryPool& memory_;
  Queue& queue_;
  const plan::DevicePlan& plan_;
};

}  // namespace nxv::vulkan
