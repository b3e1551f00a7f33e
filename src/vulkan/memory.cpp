#include "vulkan/memory.h"

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "vulkan/free_lists.h"
#include "vulkan/slab.h"

namespace nxv::vulkan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
static_assert(kBlockAlignment == kGranule);

uint64_t round_up(uint64_t n, uint64_t to) { return (n + to - 1) / to * to; }

uint64_t first_slab_bytes(Use use) { return use == Use::parameters ? kMiB / 4 : 4 * kMiB; }

}  // namespace

// What the pool and the blocks share; lives until the last block is released.
class PoolCore {
 public:
  PoolCore(Context& c, const plan::DevicePlan& p, std::function<uint64_t()> completed,
           std::function<void()> finish)
      : context_(c),
        heaps_(c),
        staging_(p.use_staging),
        max_slab_(p.max_slab_bytes / kGranule * kGranule),
        max_allocation_(p.max_allocation_bytes),
        completed_(std::move(completed)),
        finish_(std::move(finish)),
        budget_(p.memory_budget) {
    reset_slab_sizes();
    const auto& types = p.memory[static_cast<size_t>(Use::device)];
    can_spill_ = std::any_of(types.begin(), types.end(), [](auto& t) { return t.is_slow; });
  }

  BlockRef allocate(const std::shared_ptr<PoolCore>& self, uint64_t size, Use use);
  BlockRef try_allocate(const std::shared_ptr<PoolCore>& self, uint64_t size, Use use);
  BlockRef part(const BlockRef& whole, uint64_t offset, uint64_t size);
  static void release_part(Block* part) noexcept;
  uint64_t trim();
  // The memory goes; blocks that are still referenced keep their description only.
  void close() { slabs_.clear(); }
  MemoryStats stats() const;
  void set_budget(uint64_t bytes) { budget_ = bytes; }

  // Any thread.
  void release(Block* block) noexcept {
    const bool counted = is_budgeted(block->use_);
    (counted ? in_use_ : staging_in_use_).fetch_sub(block->capacity_);
    blocks_.fetch_sub(1);
    block->next_ = released_.load(std::memory_order_relaxed);
    while (!released_.compare_exchange_weak(block->next_, block, std::memory_order_release,
                                            std::memory_order_relaxed)) {
    }
  }
  static std::shared_ptr<PoolCore> take_core(Block* block) { return std::move(block->core_); }

 private:
  struct Links {
    static Block*& previous(Block* b) { return b->previous_; }
    static Block*& next(Block* b) { return b->next_; }
    static uint64_t capacity(const Block* b) { return b->capacity_; }
  };
  struct Arena {
    FreeLists<Block, Links> free;
    std::vector<Block*> free_dedicated;  // whole slabs, each of one block
    // Released; the device may still use them. Linked by next_.
    Block* first_waiting = nullptr;
    Block* last_waiting = nullptr;
    uint64_t next_slab = 0;
  };

  // Storage in slow memory is apart: it is the last to be handed out.
  Arena& arena(Use use, bool is_slow) {
    return arenas_[is_slow ? plan::kMemoryUses : static_cast<int>(use)];
  }
  Arena& arena(const Slab& slab) { return arena(slab.use, slab.is_slow); }
  void reset_slab_sizes() {
    for (int i = 0; i < kArenas; ++i) {
      arenas_[i].next_slab =
          first_slab_bytes(i < plan::kMemoryUses ? static_cast<Use>(i) : Use::device);
    }
  }
  bool is_budgeted(Use use) const {
    return !staging_ || use == Use::device || use == Use::parameters;
  }
  bool is_dedicated(uint64_t bytes) const { return bytes > max_slab_ / 4; }

  Block* find(uint64_t bytes, Use use, Reach reach);
  BlockRef hand_out(const std::shared_ptr<PoolCore>& self, Block* block, uint64_t size, Use use);
  Block* take_free(uint64_t bytes, Arena& a);
  Block* take_dedicated(uint64_t bytes, Arena& a);
  Block* grow(uint64_t bytes, Use use, Reach reach);
  Block* add_slab(uint64_t bytes, Use use, Reach reach, bool dedicated);
  void split(Block* block, uint64_t bytes);
  void collect();
  void give_back(Block* block);
  Block* merge(Block* low, Block* high);
  // Makes so many nodes spare, with room for all nodes to be. Whatever else of the host's memory is
  // needed, too, is had before lists change: a pool that throws is as it was.
  void keep_spare_nodes(size_t count);
  void make_room_for_slab();
  Block* new_node();
  [[noreturn]] void throw_exhausted(uint64_t size, const std::string& why) const;

  static constexpr int kArenas = plan::kMemoryUses + 1;
  static constexpr uint64_t kNothing = ~uint64_t{0};

  Context& context_;
  Heaps heaps_;
  const bool staging_;
  bool can_spill_ = false;
  const uint64_t max_slab_;
  const uint64_t max_allocation_;
  const std::function<uint64_t()> completed_;
  const std::function<void()> finish_;

  // To wait for work in flight made no room for so many bytes in the device's own memory, and none
  // was given back since.
  uint64_t waited_in_vain_ = kNothing;

  Arena arenas_[kArenas];
  std::vector<std::unique_ptr<Slab>> slabs_;
  std::deque<Block> nodes_;
  std::vector<Block*> spare_nodes_;

  std::atomic<Block*> released_{nullptr};
  std::atomic<uint64_t> in_use_{0};
  std::atomic<uint64_t> staging_in_use_{0};
  std::atomic<uint64_t> blocks_{0};
  std::atomic<uint64_t> reserved_{0};  // bytes of slabs within the budget
  std::atomic<uint64_t> staging_reserved_{0};
  std::atomic<uint64_t> spilled_{0};
  std::atomic<uint64_t> peak_{0};
  std::atomic<uint64_t> budget_;
};

BlockRef PoolCore::allocate(const std::shared_ptr<PoolCore>& self, uint64_t size, Use use) {
  // A request near 2^64 must not wrap to a small one.
  if (size > max_allocation_) {
    throw_exhausted(size, "the device allows at most " + std::to_string(max_allocation_) +
                              " bytes in one allocation (maxMemoryAllocationSize)");
  }
  const uint64_t bytes = round_up(padded(size), kGranule);
  const bool spills = can_spill_ && use == Use::device;
  const auto reach_for = [&](Reach reach) {
    keep_spare_nodes(2);
    return hand_out(self, find(bytes, use, reach), size, use);
  };
  const bool is_exhausted = spills && bytes >= waited_in_vain_;
  if (is_exhausted) {
    // What is at hand, before cached memory is given back.
    keep_spare_nodes(2);
    collect();
    Block* block = find(bytes, use, Reach::fast);
    if (block == nullptr) block = take_free(bytes, arena(use, true));
    if (block != nullptr) return hand_out(self, block, size, use);
  }
  if (BlockRef block = try_allocate(self, size, use)) return block;
  if (is_exhausted) {
    if (BlockRef block = reach_for(Reach::slow)) return block;
  }
  // To wait costs once, slow memory at each use.
  finish_();
  if (BlockRef block = try_allocate(self, size, use)) return block;
  if (spills) {
    waited_in_vain_ = std::min(waited_in_vain_, bytes);
    if (BlockRef block = reach_for(Reach::slow)) return block;
  }
  if (BlockRef block = reach_for(Reach::last)) return block;
  throw_exhausted(size, "");
}

BlockRef PoolCore::try_allocate(const std::shared_ptr<PoolCore>& self, uint64_t size, Use use) {
  if (size > max_allocation_) return {};
  const uint64_t bytes = round_up(padded(size), kGranule);
  keep_spare_nodes(2);  // of a new slab, and of what is cut off
  collect();
  Block* block = find(bytes, use, Reach::fast);
  if (block == nullptr) {
    trim();
    block = grow(bytes, use, Reach::fast);
  }
  return hand_out(self, block, size, use);
}

Block* PoolCore::find(uint64_t bytes, Use use, Reach reach) {
  Block* block = take_free(bytes, arena(use, reach == Reach::slow));
  return block != nullptr ? block : grow(bytes, use, reach);
}

BlockRef PoolCore::hand_out(const std::shared_ptr<PoolCore>& self, Block* block, uint64_t size,
                            Use use) {
  if (block == nullptr) return {};
  block->size_ = size;
  block->use_ = use;
  block->references_.store(1, std::memory_order_relaxed);
  block->core_ = self;
  blocks_.fetch_add(1);
  if (is_budgeted(use)) {
    const uint64_t now = in_use_.fetch_add(block->capacity_) + block->capacity_;
    if (now > peak_.load(std::memory_order_relaxed)) peak_.store(now);
  } else {
    staging_in_use_.fetch_add(block->capacity_);
  }
  return BlockRef(block);
}

// Parts have the marks of those before them, which may have had the same bytes.
BlockRef PoolCore::part(const BlockRef& ref, uint64_t offset, uint64_t size) {
  Block& whole = *ref.block_;
  Block* const part = new_node();
  part->use_ = whole.use_;
  part->address_ = whole.address_ + offset;
  part->size_ = size;
  part->capacity_ = round_up(padded(size), kGranule);
  part->host_ = whole.host_ ? whole.host_ + offset : nullptr;
  part->last_use_.store(whole.last_use(), std::memory_order_relaxed);
  part->touched_ = whole.touched_;
  part->offset_ = whole.offset_ + offset;
  part->slab_ = whole.slab_;
  part->whole_ = &whole;
  whole.references_.fetch_add(1, std::memory_order_relaxed);
  part->references_.store(1, std::memory_order_relaxed);
  return BlockRef(part);
}

void PoolCore::release_part(Block* part) noexcept {
  const BlockRef whole(std::exchange(part->whole_, nullptr));  // takes over the reference
  whole->last_use_.store(std::max(whole->last_use(), part->last_use()), std::memory_order_release);
  whole->touched_ = std::max(whole->touched_, part->touched_);
  whole->core_->spare_nodes_.push_back(part);
}

Block* PoolCore::take_free(uint64_t bytes, Arena& a) {
  if (is_dedicated(bytes)) return take_dedicated(bytes, a);
  Block* block = a.free.find(bytes);
  if (block == nullptr) return nullptr;
  a.free.remove(block);
  block->free_ = false;
  split(block, bytes);
  return block;
}

// The tightest one that wastes at most an eighth.
Block* PoolCore::take_dedicated(uint64_t bytes, Arena& a) {
  auto best = a.free_dedicated.end();
  for (auto i = a.free_dedicated.begin(); i != a.free_dedicated.end(); ++i) {
    const uint64_t have = (*i)->capacity_;
    if (have < bytes || have > bytes + bytes / 8) continue;
    if (best == a.free_dedicated.end() || have < (*best)->capacity_) best = i;
  }
  if (best == a.free_dedicated.end()) return nullptr;
  Block* block = *best;
  *best = a.free_dedicated.back();
  a.free_dedicated.pop_back();
  block->free_ = false;
  return block;
}

// A block from new memory, or null when the budget or the driver has none.
Block* PoolCore::grow(uint64_t bytes, Use use, Reach reach) {
  Arena& a = arena(use, reach == Reach::slow);
  if (is_dedicated(bytes)) return add_slab(bytes, use, reach, true);
  const uint64_t wanted = std::min(std::max(a.next_slab, round_up(bytes, kMiB / 4)), max_slab_);
  Block* block = add_slab(std::max(wanted, bytes), use, reach, false);
  if (block != nullptr) {
    a.next_slab = std::min(2 * wanted, max_slab_);
  } else if (wanted > bytes) {
    block = add_slab(bytes, use, reach, false);
  }
  if (block != nullptr) split(block, bytes);
  return block;
}

Block* PoolCore::add_slab(uint64_t bytes, Use use, Reach reach, bool dedicated) {
  const bool counted = is_budgeted(use);
  const uint64_t budget = budget_.load();
  const uint64_t reserved = reserved_.load();
  if (counted && (reserved > budget || bytes > budget - reserved)) return nullptr;
  make_room_for_slab();
  std::unique_ptr<Slab> slab;
  try {
    slab = std::make_unique<Slab>(context_, heaps_, bytes, use, reach);
  } catch (const Error& e) {
    if (e.status() == Status::alloc_failed) return nullptr;
    throw;
  }
  slab->dedicated = dedicated;
  Block* block = new_node();
  block->capacity_ = bytes;
  block->slab_ = slab.get();
  block->address_ = slab->address;
  block->host_ = slab->host;
  slab->first = block;
  if (slab->is_slow) spilled_.fetch_add(bytes);
  slabs_.push_back(std::move(slab));
  (counted ? reserved_ : staging_reserved_).fetch_add(bytes);
  return block;
}

// Cuts what is beyond `bytes` off a block that is in no list.
void PoolCore::split(Block* block, uint64_t bytes) {
  if (block->capacity_ == bytes) return;
  Block* rest = new_node();
  rest->slab_ = block->slab_;
  rest->offset_ = block->offset_ + bytes;
  rest->capacity_ = block->capacity_ - bytes;
  rest->address_ = block->address_ + bytes;
  rest->host_ = block->host_ ? block->host_ + bytes : nullptr;
  rest->last_use_.store(block->last_use(), std::memory_order_relaxed);
  rest->touched_ = block->touched_;
  rest->before_ = block;
  rest->after_ = block->after_;
  if (rest->after_) rest->after_->before_ = rest;
  block->after_ = rest;
  block->capacity_ = bytes;
  rest->free_ = true;
  arena(*rest->slab_).free.add(rest);
}

// Takes in what was released since the last call.
void PoolCore::collect() {
  Block* block = released_.exchange(nullptr, std::memory_order_acquire);
  while (block != nullptr) {
    Block* const next = block->next_;
    const Use use = block->slab_->use;
    if (use == Use::device) {
      give_back(block);
    } else {
      Arena& a = arena(*block->slab_);
      block->next_ = nullptr;
      (a.last_waiting ? a.last_waiting->next_ : a.first_waiting) = block;
      a.last_waiting = block;
    }
    block = next;
  }
  uint64_t completed = 0;
  bool asked = false;
  for (Arena& a : arenas_) {
    while (Block* const oldest = a.first_waiting) {
      if (oldest->last_use() > completed && !asked) {
        completed = completed_();
        asked = true;
      }
      if (oldest->last_use() > completed) break;
      a.first_waiting = oldest->next_;
      if (a.first_waiting == nullptr) a.last_waiting = nullptr;
      give_back(oldest);
    }
  }
}

void PoolCore::give_back(Block* block) {
  Arena& a = arena(*block->slab_);
  if (block->slab_->dedicated) {
    block->free_ = true;
    a.free_dedicated.push_back(block);
    return;
  }
  if (Block* after = block->after_; after && after->free_) {
    a.free.remove(after);
    block = merge(block, after);
  }
  if (Block* before = block->before_; before && before->free_) {
    a.free.remove(before);
    block = merge(before, block);
  }
  block->free_ = true;
  a.free.add(block);
}

Block* PoolCore::merge(Block* low, Block* high) {
  low->capacity_ += high->capacity_;
  low->after_ = high->after_;
  if (low->after_) low->after_->before_ = low;
  low->last_use_.store(std::max(low->last_use(), high->last_use()), std::memory_order_relaxed);
  low->touched_ = std::max(low->touched_, high->touched_);
  spare_nodes_.push_back(high);
  return low;
}

void PoolCore::keep_spare_nodes(size_t count) {
  while (spare_nodes_.size() < count) {
    const size_t nodes = nodes_.size() + 1;
    if (spare_nodes_.capacity() < nodes) spare_nodes_.reserve(2 * nodes);
    spare_nodes_.push_back(&nodes_.emplace_back());
  }
}

void PoolCore::make_room_for_slab() {
  const size_t slabs = slabs_.size() + 1;
  if (slabs_.capacity() < slabs) slabs_.reserve(2 * slabs);
  for (Arena& a : arenas_) {
    if (a.free_dedicated.capacity() < slabs) a.free_dedicated.reserve(2 * slabs);
  }
}

Block* PoolCore::new_node() {
  keep_spare_nodes(1);
  Block* node = spare_nodes_.back();
  spare_nodes_.pop_back();
  node->free_ = false;
  node->offset_ = 0;
  node->last_use_.store(0, std::memory_order_relaxed);
  node->touched_ = 0;
  node->before_ = node->after_ = nullptr;
  return node;
}

uint64_t PoolCore::trim() {
  collect();
  const uint64_t completed = completed_();
  uint64_t given = 0;
  for (size_t i = 0; i < slabs_.size();) {
    Slab& slab = *slabs_[i];
    Block* const block = slab.first;
    const bool idle =
        block->free_ && block->capacity_ == slab.bytes && block->last_use() <= completed;
    if (!idle) {
      ++i;
      continue;
    }
    Arena& a = arena(slab);
    if (slab.dedicated) {
      std::erase(a.free_dedicated, block);
    } else {
      a.free.remove(block);
    }
    spare_nodes_.push_back(block);
    given += slab.bytes;
    if (slab.is_slow) {
      spilled_.fetch_sub(slab.bytes);
    } else if (slab.use == Use::device) {
      waited_in_vain_ = kNothing;
    }
    (is_budgeted(slab.use) ? reserved_ : staging_reserved_).fetch_sub(slab.bytes);
    slabs_[i] = std::move(slabs_.back());
    slabs_.pop_back();
  }
  reset_slab_sizes();
  return given;
}

MemoryStats PoolCore::stats() const {
  MemoryStats s;
  s.in_use = in_use_.load();
  s.blocks = blocks_.load();
  const uint64_t reserved = reserved_.load();
  s.cached = reserved > s.in_use ? reserved - s.in_use : 0;
  s.peak = peak_.load();
  s.budget = budget_.load();
  s.staging = staging_reserved_.load();
  s.spilled = spilled_.load();
  return s;
}

void PoolCore::throw_exhausted(uint64_t size, const std::string& why) const {
  const MemoryStats s = stats();
  throw Error(Status::alloc_failed, "out of device memory: requested " + std::to_string(size) +
                                        " bytes, in use " + std::to_string(s.in_use) + ", cached " +
                                        std::to_string(s.cached) + ", budget " +
                                        std::to_string(s.budget) + (why.empty() ? "" : "; " + why));
}

bool Block::is_read_well() const { return slab_->reads_well; }

void BlockRef::release(Block* block) noexcept {
  if (block->whole_) return PoolCore::release_part(block);
  const std::shared_ptr<PoolCore> core = PoolCore::take_core(block);
  core->release(block);
}

MemoryPool::MemoryPool(Context& context, const plan::DevicePlan& plan,
                       std::function<uint64_t()> completed, std::function<void()> finish)
    : core_(std::make_shared<PoolCore>(context, plan, std::move(completed), std::move(finish))) {}

MemoryPool::~MemoryPool() { core_->close(); }

BlockRef MemoryPool::allocate(uint64_t size, Use use) { return core_->allocate(core_, size, use); }
BlockRef MemoryPool::try_allocate(uint64_t size, Use use) {
  return core_->try_allocate(core_, size, use);
}
BlockRef MemoryPool::part(const BlockRef& whole, uint64_t offset, uint64_t size) {
  return core_->part(whole, offset, size);
}
uint64_t MemoryPool::trim() { return core_->trim(); }
MemoryStats MemoryPool::stats() const { return core_->stats(); }
void MemoryPool::set_budget(uint64_t bytes) { core_->set_budget(bytes); }

}  // namespace nxv::vulkan
