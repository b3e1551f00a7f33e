// Storage of a value on the device.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "graph/node.h"
#include "vulkan/memory.h"

namespace nxv::runtime {

// What a value's kernels report: a word for each operation that may fault (graph/fault.h).
struct FaultSlot {
  vulkan::BlockRef block;
  std::vector<Op> ops;
  Shape shape;                        // of the value
  std::atomic<bool> is_clear{false};  // read back once and found unset
};
using Faults = std::vector<std::shared_ptr<FaultSlot>>;

class DeviceStorage : public Storage {
 public:
  DeviceStorage(vulkan::BlockRef block, Faults faults)
      : block(std::move(block)), faults(std::move(faults)) {}
  // A number that no kernel has stored; commands carry it.
  explicit DeviceStorage(const Scalar& number) : known(number) {}
  ~DeviceStorage() override {
    if (taken_by) --taken_by->kept;
  }
  DeviceStorage(const DeviceStorage&) = delete;
  DeviceStorage& operator=(const DeviceStorage&) = delete;

  bool is_number() const { return !block; }

  vulkan::BlockRef block;       // none: a number
  Faults faults;                // of the value and of what it was computed from
  std::optional<Scalar> known;  // a scalar that the host knows

  // How many references belong to a batch of rounds that keeps each state until it knows which was
  // the last (Executor::speculate). They do not hinder a later round from taking over the block: it
  // is then in `taken_by`, and has these elements unless that round was run.
  int kept = 0;
  std::shared_ptr<DeviceStorage> taken_by;
};

inline DeviceStorage& device_storage(const Node& node) {
  return static_cast<DeviceStorage&>(*node.storage());
}

// Bytes to allocate for a node: kernels read and write whole groups of four elements.
inline uint64_t allocation_bytes(const Node& node) {
  return static_cast<uint64_t>((node.count + 3) / 4 * 4 * storage_bytes(node.dtype));
}

}  // namespace nxv::runtime
