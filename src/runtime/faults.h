// Which operations that may fault a value was computed with: indices out of bounds and the like,
// which kernels report to memory and the host learns of when the value is read.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

#include "graph/node.h"
#include "vulkan/device.h"

namespace nxv::runtime {

// What a value's kernels report: a word for each operation that may fault (graph/fault.h).
struct FaultSlot {
  vulkan::BlockRef block;
  std::vector<Op> ops;
  Shape shape;                        // of the value
  std::atomic<bool> is_clear{false};  // read back once and found unset
  bool is_shared = false;             // rounds that are still to come report to it, too
  bool is_being_read = false;         // the engine's thread only

  uint64_t bytes() const { return 4 * ops.size(); }
  // What the bytes report; clear if nothing. Without memory to tell, that is the failure.
  Failure judge(const std::byte* bytes) noexcept;
};
using FaultSlotRef = std::shared_ptr<FaultSlot>;

// Immutable, and shared by all values that depend on the same slots: most operations only pass them
// on.
struct FaultSet {
  std::vector<FaultSlotRef> slots;
};
using Faults = std::shared_ptr<const FaultSet>;  // null: none

// Makes sets; the engine's thread only.
class FaultSets {
 public:
  explicit FaultSets(vulkan::Device& device) : device_(device) {}

  // What is in either and not known to be clear.
  Faults unite(const Faults& a, const Faults& b);
  Faults add(const Faults& set, const FaultSlotRef& slot);
  // The unions that are remembered, whose slots take memory.
  void forget() { united_.clear(); }

 private:
  struct Pair {
    Faults a, b;
    bool operator==(const Pair&) const = default;
  };
  struct PairHash {
    size_t operator()(const Pair& pair) const;
  };

  Faults made(std::vector<FaultSlotRef> slots, const Faults& a, const Faults& b);
  // Reads them behind what is recorded, so that sets do not grow for as long as nobody reads a
  // value.
  void read_ahead(const FaultSet& set);

  vulkan::Device& device_;
  std::unordered_map<Pair, Faults, PairHash> united_;
};

}  // namespace nxv::runtime
