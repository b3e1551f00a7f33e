// MemoryPool: device memory in slabs, sub-allocated in constant time, with exact byte counters.
//
// Reuse is stream-ordered: a block for `device` use may be handed out again as soon as it is
// released, because commands that use the new block are recorded after those that used the old
// one. Memory that the host touches comes back only when the last epoch that used it has completed.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "plan/device_plan.h"

namespace nxv::vulkan {

struct Context;
class PoolCore;
struct Slab;

using Use = plan::MemoryUse;

// A range of device memory. Reached through BlockRef; all fields but the reference count and the
// last use are constant while somebody holds a reference.
class Block {
 public:
  // Address that kernels use; a multiple of 64.
  uint64_t address() const { return address_; }
  // Bytes asked for; at least `padded(size)` bytes are there.
  uint64_t size() const { return size_; }
  // Bytes taken from the pool.
  uint64_t capacity() const { return capacity_; }
  Use use() const { return use_; }
  // Where the host sees the bytes, or null.
  std::byte* host() const { return host_; }
  // And reads them as fast as any.
  bool is_read_well() const;

  // Epoch of the last command that touches this memory. A block may come with one that has not
  // completed: the host must not touch it before (blocks for host use never do).
  uint64_t last_use() const { return last_use_.load(std::memory_order_acquire); }

 private:
  friend class BlockRef;
  friend class PoolCore;
  friend class Queue;

  std::atomic<uint32_t> references_{0};
  Use use_ = Use::device;
  bool free_ = false;
  uint64_t address_ = 0;
  uint64_t size_ = 0;
  uint64_t capacity_ = 0;
  std::byte* host_ = nullptr;
  std::atomic<uint64_t> last_use_{0};
  uint64_t touched_ = 0;  // barrier interval of the queue that last saw this memory
  uint64_t offset_ = 0;   // in the slab
  Slab* slab_ = nullptr;
  Block* whole_ = nullptr;   // of a part: the block that it holds a reference to
  Block* before_ = nullptr;  // neighbours in the slab
  Block* after_ = nullptr;
  Block* previous_ = nullptr;       // in a free list
  Block* next_ = nullptr;           // in a free list, or in the list of released blocks
  std::shared_ptr<PoolCore> core_;  // set while referenced: a block may outlive its pool
};

// A counted reference to a Block. The last one may be dropped on any thread; that takes no lock and
// makes no Vulkan call.
class BlockRef {
 public:
  BlockRef() = default;
  BlockRef(const BlockRef& other) : block_(other.block_) {
    if (block_) block_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  BlockRef(BlockRef&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  BlockRef& operator=(BlockRef other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~BlockRef() { reset(); }

  void reset() {
    Block* block = std::exchange(block_, nullptr);
    if (block && block->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) release(block);
  }
  Block* get() const { return block_; }
  Block* operator->() const { return block_; }
  Block& operator*() const { return *block_; }
  explicit operator bool() const { return block_ != nullptr; }
  // To the block, none without one. Those that are all known of cannot become more meanwhile.
  uint32_t references() const {
    return block_ ? block_->references_.load(std::memory_order_acquire) : 0;
  }
  bool is_unique() const { return references() == 1; }
  bool operator==(const BlockRef&) const = default;

 private:
  friend class PoolCore;
  explicit BlockRef(Block* adopted) : block_(adopted) {}
  static void release(Block* block) noexcept;

  Block* block_ = nullptr;
};

// Addresses of blocks and offsets of parts are multiples of it.
inline constexpr uint64_t kBlockAlignment = 64;

// Bytes that are there behind a request of `size` bytes: kernels own whole 16-byte words.
constexpr uint64_t padded(uint64_t size) { return size == 0 ? 16 : (size + 15) / 16 * 16; }

struct MemoryStats {
  uint64_t in_use = 0;   // bytes of blocks that are referenced
  uint64_t cached = 0;   // bytes taken from the driver and not in use
  uint64_t peak = 0;     // largest in_use so far
  uint64_t budget = 0;   // in_use + cached stays at or below this
  uint64_t blocks = 0;   // live blocks
  uint64_t staging = 0;  // bytes of host memory for transfers, outside the budget
  uint64_t spilled = 0;  // of in_use + cached: memory that the device reads slowly
};

class MemoryPool {
 public:
  // `completed` answers the last epoch the device has finished; `finish` submits and waits for
  // everything recorded so far. Both are called on the thread that allocates.
  MemoryPool(Context& context, const plan::DevicePlan& plan, std::function<uint64_t()> completed,
             std::function<void()> finish);
  ~MemoryPool();
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // At the budget, or where the device's own memory is exhausted: takes back what the device has
  // finished with, trims, waits for work in flight, then takes memory that the device reads slowly,
  // and at last throws Error(alloc_failed) with requested, in use, cached and budget bytes. On the
  // engine's thread only.
  BlockRef allocate(uint64_t size, Use use = Use::device);
  // The same without waiting for work in flight and without slow memory; none where there is no
  // room.
  BlockRef try_allocate(uint64_t size, Use use = Use::device);
  // Bytes of a block as a block of their own. The whole is held as long as one of its parts is, and
  // is nobody's otherwise. Parts that share bytes do not live at the same time, and are made and
  // released on the engine's thread.
  BlockRef part(const BlockRef& whole, uint64_t offset, uint64_t size);
  // Gives cached slabs that the device has finished with back to the driver; the bytes given. On
  // the engine's thread only.
  uint64_t trim();
  // Exact at any moment on any thread.
  MemoryStats stats() const;
  void set_budget(uint64_t bytes);

 private:
  std::shared_ptr<PoolCore> core_;
};

}  // namespace nxv::vulkan
