// Storage of a value on the device.
#pragma once

#include <memory>
#include <optional>

#include "graph/node.h"
#include "runtime/faults.h"
#include "vulkan/memory.h"

namespace nxv::runtime {

class DeviceStorage : public Storage {
 public:
  DeviceStorage(vulkan::BlockRef block, Faults faults)
      : block(std::move(block)), faults(std::move(faults)) {}
  // A number that no kernel has stored; commands carry it.
  explicit DeviceStorage(const Scalar& number) : known(number) {}
  bool is_number() const { return !block; }

  vulkan::BlockRef block;       // none: a number
  Faults faults;                // of the value and of what it was computed from
  std::optional<Scalar> known;  // a scalar that the host knows

  // References of batches of rounds, which keep each state until they know which was the last
  // (Executor::speculate). They do not hinder a later round from taking over the block, which has
  // these elements unless that round is run.
  int kept = 0;
  // How many such states hold the block besides this, which took it over from them.
  uint32_t lent = 0;
};

inline DeviceStorage& device_storage(const Node& node) {
  return static_cast<DeviceStorage&>(*node.storage());
}

// Bytes to allocate for a node: kernels read and write whole groups of four elements.
inline uint64_t allocation_bytes(const Node& node) {
  return static_cast<uint64_t>((node.count + 3) / 4 * 4 * storage_bytes(node.dtype));
}

}  // namespace nxv::runtime
