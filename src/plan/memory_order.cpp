#include "plan/memory_order.h"

#include <algorithm>

namespace nxv::plan {
namespace {

bool is_seen(const MemoryType& t) { return t.host_visible && t.host_coherent; }

// How well a type serves; below 0: not at all.
int worth(const MemoryType& t, MemoryUse use, bool use_staging) {
  const int is_local = t.device_local, is_cached = t.host_cached;
  if (!is_seen(t) && use != MemoryUse::device) return -1;
  if (!use_staging) {
    // The host reads and writes storage in place, and goes through staging where it has to.
    if (use == MemoryUse::readback) return 4 + 2 * is_cached + is_local;
    return (is_seen(t) ? 4 : 0) + 2 * is_local + is_cached;
  }
  switch (use) {
    case MemoryUse::device:
      // Storage that the host sees may be a window of few bytes. What the host caches the device
      // has to ask the host's caches for.
      return 4 * is_local + (t.host_visible ? 0 : 2) + (1 - is_cached);
    case MemoryUse::upload:
      return 2 * (1 - is_local) + (1 - is_cached);
    case MemoryUse::readback:
      return 2 * is_cached + (1 - is_local);
    case MemoryUse::parameters:
      return 2 * is_local + is_cached;
  }
  return -1;
}

}  // namespace

bool has_unified_memory(const Snapshot& d) {
  if (d.type == DeviceType::integrated || d.type == DeviceType::cpu) return true;
  const bool is_all_local = std::all_of(d.heaps.begin(), d.heaps.end(),
                                        [](const MemoryHeap& h) { return h.device_local; });
  return std::any_of(d.memory_types.begin(), d.memory_types.end(), [&](const MemoryType& t) {
    return t.device_local && is_seen(t) && (is_all_local || t.host_cached);
  });
}

std::vector<MemoryChoice> memory_order(const Snapshot& device, MemoryUse use, bool use_staging) {
  const auto worth_of = [&](uint32_t i) { return worth(device.memory_types[i], use, use_staging); };
  std::vector<MemoryChoice> order;
  for (uint32_t i = 0; i < device.memory_types.size(); ++i) {
    const bool is_slow =
        use_staging && use == MemoryUse::device && !device.memory_types[i].device_local;
    if (worth_of(i) >= 0) order.push_back({i, is_slow});
  }
  std::stable_sort(order.begin(), order.end(), [&](const MemoryChoice& a, const MemoryChoice& b) {
    return worth_of(a.type) > worth_of(b.type);
  });
  return order;
}

}  // namespace nxv::plan
