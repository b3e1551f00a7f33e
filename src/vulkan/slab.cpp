#include "vulkan/slab.h"

namespace nxv::vulkan {

uint32_t memory_type(const VkPhysicalDeviceMemoryProperties& types, uint32_t type_bits, Use use,
                     bool staging) {
  constexpr VkMemoryPropertyFlags kDevice = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  constexpr VkMemoryPropertyFlags kHost =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  VkMemoryPropertyFlags required = 0, liked = 0, disliked = 0;
  if (!staging) {
    required = kHost;
    liked = kDevice | kCached;
  } else {
    switch (use) {
      case Use::device:
        required = kDevice;
        disliked = kHost | kCached;
        break;
      case Use::upload:
        required = kHost;
        disliked = kDevice | kCached;
        break;
      case Use::readback:
        required = kHost;
        liked = kCached;
        disliked = kDevice;
        break;
      case Use::parameters:
        required = kHost;
        liked = kDevice;
        break;
    }
  }
  int best_score = -100;
  uint32_t best = types.memoryTypeCount;
  for (uint32_t i = 0; i < types.memoryTypeCount; ++i) {
    const VkMemoryPropertyFlags flags = types.memoryTypes[i].propertyFlags;
    constexpr VkMemoryPropertyFlags kUnusable =
        VK_MEMORY_PROPERTY_LAZILY_ALLOCATED_BIT | VK_MEMORY_PROPERTY_PROTECTED_BIT;
    if (!(type_bits >> i & 1) || (flags & required) != required || (flags & kUnusable)) continue;
    int score = 0;
    for (const VkMemoryPropertyFlags bit : {kDevice, kCached}) {
      score += (flags & liked & bit) ? 4 : 0;
      score -= (flags & disliked & bit) ? 2 : 0;
    }
    score -= (flags & disliked & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) ? 1 : 0;
    if (score > best_score) {
      best_score = score;
      best = i;
    }
  }
  if (best == types.memoryTypeCount) {
    throw Error(Status::unsupported, "the device has no memory type for this use");
  }
  return best;
}

Slab::Slab(const Context& c, uint64_t n, Use u, bool staging) : context(c), bytes(n), use(u) {
  try {
    create(staging);
  } catch (...) {
    destroy();
    throw;
  }
}

Slab::~Slab() { destroy(); }

void Slab::create(bool staging) {
  const Functions& vk = context.vk();
  VkBufferCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  info.size = bytes;
  info.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
               VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_INDIRECT_BUFFER_BIT |
               VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  if (context.plan.has.texel_loads) info.usage |= VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT;
  vulkan::create(vk.CreateBuffer, buffer, context.device, &info, nullptr);
  VkMemoryRequirements needs{};
  vk.GetBufferMemoryRequirements(context.device, buffer, &needs);

  VkMemoryAllocateFlagsInfo flags{};
  flags.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO;
  flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
  VkMemoryAllocateInfo allocate{};
  allocate.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO;
  allocate.pNext = &flags;
  allocate.allocationSize = needs.size;
  allocate.memoryTypeIndex = memory_type(context.memory, needs.memoryTypeBits, use, staging);
  vulkan::create(vk.AllocateMemory, memory, context.device, &allocate, nullptr);
  checked(vk.BindBufferMemory, context.device, buffer, memory, 0);

  VkBufferDeviceAddressInfo where{};
  where.sType = VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO;
  where.buffer = buffer;
  address = vk.GetBufferDeviceAddress(context.device, &where);
  if (address == 0 || address % 64 != 0) {
    throw Error(Status::internal, "the driver gave a buffer an address that is not aligned to 64");
  }
  if (context.plan.has.texel_loads) create_view();
  const auto type = context.memory.memoryTypes[allocate.memoryTypeIndex].propertyFlags;
  const bool host_use = use != Use::device || !staging;
  if (host_use && (type & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT)) {
    void* mapped = nullptr;
    vulkan::create(vk.MapMemory, mapped, context.device, memory, VkDeviceSize{0}, VK_WHOLE_SIZE,
                   VkMemoryMapFlags{0});
    host = static_cast<std::byte*>(mapped);
  }
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
  if (memory != VK_NULL_HANDLE) vk.FreeMemory(context.device, memory, nullptr);
}

}  // namespace nxv::vulkan
