#include "vulkan/slab.h"

#include <algorithm>
#include <optional>

namespace nxv::vulkan {

Slab::Slab(const Context& c, Heaps& h, uint64_t n, Use u, Reach reach)
    : context(c), heaps(h), bytes(n), use(u) {
  try {
    create(reach);
  } catch (...) {
    destroy();
    throw;
  }
}

Slab::~Slab() { destroy(); }

void Slab::create(Reach reach) {
  const Functions& vk = context.vk();
  VkBufferCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT |
               VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  if (context.plan.has.texel_loads) info.usage |= VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT;
  vulkan::create(vk.CreateBuffer, buffer, context.device, &info, nullptr);
  allocate(reach);
  checked(vk.BindBufferMemory, context.device, buffer, memory, 0);

  VkBufferDeviceAddressInfo where{};
  where.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
  where.buffer = buffer;
  address = vk.GetBufferDeviceAddress(context.device, &where);
  if (address == 0 || address % 64 != 0) {
    throw Error(Status::internal, "the driver gave a buffer an address that is not aligned to 64");
  }
  if (context.plan.has.texel_loads) create_view();
  map();
}

// Of the first heap within reach that has so much.
void Slab::allocate(Reach reach) {
  const Functions& vk = context.vk();
  VkMemoryRequirements needs{};
  vk.GetBufferMemoryRequirements(context.device, buffer, &needs);
  VkMemoryAllocateFlagsInfo flags{};
  flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  info.pNext = &flags;
  info.allocationSize = needs.size;

  bool has_type = false;
  std::optional<Error> refusal;
  for (const plan::MemoryChoice& choice : context.plan.memory[static_cast<size_t>(use)]) {
    const plan::MemoryType& type = context.snapshot.memory_types[choice.type];
    if (!(needs.memoryTypeBits >> type.index & 1)) continue;
    has_type = true;
    if (reach != Reach::last) {
      if (choice.is_slow != (reach == Reach::slow)) continue;
      if (!heaps.may_have(type.heap, needs.size)) continue;
    }
    info.memoryTypeIndex = type.index;
    try {
      vulkan::create(vk.AllocateMemory, memory, context.device, &info, nullptr);
    } catch (const Error& e) {
      if (e.status() != Status::alloc_failed) throw;
      heaps.refused(type.heap, needs.size);
      refusal = e;
      continue;
    }
    type_ = &type;
    taken_ = needs.size;
    heaps.taken(type.heap, taken_);
    is_slow = choice.is_slow;
    return;
  }
  if (refusal) throw Error(*refusal);
  if (has_type) throw Error(Status::alloc_failed, "the heaps of the device are exhausted");
  throw Error(Status::unsupported, "the device has no memory type for this use");
}

void Slab::map() {
  const bool is_seen = type_->host_visible && type_->host_coherent;
  const bool is_for_host = use != Use::device || !context.plan.use_staging;
  if (!is_seen || !is_for_host) return;
  void* mapped = nullptr;
  vulkan::create(context.vk().MapMemory, mapped, context.device, memory, VkDeviceSize{0},
                 VK_WHOLE_SIZE, VkMemoryMapFlags{0});
  host = static_cast<std::byte*>(mapped);
  const auto& best = context.plan.memory[static_cast<size_t>(Use::readback)].front();
  reads_well = type_->host_cached || !context.snapshot.memory_types[best.type].host_cached;
}

void Slab::create_view() {
  VkBufferViewCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_VIEW_CREATE_INFO;
  info.buffer = buffer;
  info.format = VK_FORMAT_R32G32B32A32_UINT;
  info.range = bytes / 16 * 16;
  vulkan::create(context.vk().CreateBufferView, texels, context.device, &info, nullptr);
}

void Slab::destroy() {
  const Functions& vk = context.vk();
  if (texels != VK_NULL_HANDLE) vk.DestroyBufferView(context.device, texels, nullptr);
  if (buffer != VK_NULL_HANDLE) vk.DestroyBuffer(context.device, buffer, nullptr);
  if (memory == VK_NULL_HANDLE) return;
  vk.FreeMemory(context.device, memory, nullptr);
  heaps.given_back(type_->heap, taken_);
}

}  // namespace nxv::vulkan
