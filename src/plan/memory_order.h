// Which memory serves a use, and in which order: a pure function of what the driver reports.
#pragma once

#include <vector>

#include "plan/snapshot.h"

namespace nxv::plan {

enum class MemoryUse : uint8_t {
  device,      // storage of tensors; host-visible only where the plan does without staging
  upload,      // written by the host, read by the device
  readback,    // written by the device, read by the host (cached)
  parameters,  // small, written by the host, read by kernels; device-local where possible
};
inline constexpr int kMemoryUses = 4;

// The host and the device have the same memory, whatever drivers say of its types: the device has
// none of its own.
bool has_unified_memory(const Snapshot& device);

struct MemoryChoice {
  uint32_t type = 0;  // in Snapshot::memory_types
  // The device reaches it through its link to the host, slowly: at each use.
  bool is_slow = false;
};

// All types that serve, the best first; those that are slow come last.
std::vector<MemoryChoice> memory_order(const Snapshot& device, MemoryUse use, bool use_staging);

}  // namespace nxv::plan
