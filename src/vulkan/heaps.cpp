#include "vulkan/heaps.h"

#include <algorithm>

namespace nxv::vulkan {

Heaps::Heaps(const Context& context) : context_(context), heaps_(context.snapshot.heaps.size()) {}

bool Heaps::may_have(uint32_t heap, uint64_t bytes) const {
  if (heaps_.size() == 1) return true;
  const Heap& h = heaps_[heap];
  const uint64_t size = context_.snapshot.heaps[heap].bytes;
  return bytes < h.refused && h.taken <= size && bytes <= size - h.taken &&
         bytes <= left_by_driver(heap);
}

// Beyond it drivers move memory to and fro, or refuse.
uint64_t Heaps::left_by_driver(uint32_t heap) const {
  if (!context_.snapshot.features.memory_budget) return kAny;
  VkPhysicalDeviceMemoryBudgetPropertiesEXT budget{};
  budget.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT;
  VkPhysicalDeviceMemoryProperties2 all{};
  all.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2;
  all.pNext = &budget;
  context_.vk().GetPhysicalDeviceMemoryProperties2(context_.physical, &all);
  if (budget.heapBudget[heap] == 0) return kAny;
  const uint64_t used = budget.heapUsage[heap];
  return budget.heapBudget[heap] > used ? budget.heapBudget[heap] - used : 0;
}

void Heaps::refused(uint32_t heap, uint64_t bytes) {
  heaps_[heap].refused = std::min(heaps_[heap].refused, bytes);
}

void Heaps::given_back(uint32_t heap, uint64_t bytes) {
  heaps_[heap].taken -= bytes;
  heaps_[heap].refused = kAny;
}

}  // namespace nxv::vulkan
