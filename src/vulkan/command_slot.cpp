#include "vulkan/command_slot.h"

namespace nxv::vulkan {

CommandSlot::~CommandSlot() {
  const Functions& vk = context.vk();
  if (queries != VK_NULL_HANDLE) vk.DestroyQueryPool(context.device, queries, nullptr);
  if (pool != VK_NULL_HANDLE) vk.DestroyCommandPool(context.device, pool, nullptr);
}

void CommandSlot::begin(uint32_t query_count) {
  const Functions& vk = context.vk();
  if (pool == VK_NULL_HANDLE) {
    VkCommandPoolCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
    info.flags = VK_COMMAND_POOL_CREATE_TRANSIENT_BIT;
    info.queueFamilyIndex = context.queue_family;
    create(vk.CreateCommandPool, pool, context.device, &info, nullptr);
  }
  if (buffer == VK_NULL_HANDLE) {
    VkCommandBufferAllocateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
    info.commandPool = pool;
    info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
    info.commandBufferCount = 1;
    create(vk.AllocateCommandBuffers, buffer, context.device, &info);
  }
  if (query_count > 0 && queries == VK_NULL_HANDLE) {
    VkQueryPoolCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO;
    info.queryType = VK_QUERY_TYPE_TIMESTAMP;
    info.queryCount = query_count;
    create(vk.CreateQueryPool, queries, context.device, &info, nullptr);
  }
  if (is_used_) {
    checked(vk.ResetCommandPool, context.device, pool, VkCommandPoolResetFlags{0});
    is_used_ = false;
  }
  VkCommandBufferBeginInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  is_used_ = true;
  checked(vk.BeginCommandBuffer, buffer, &info);
  if (query_count > 0) vk.CmdResetQueryPool(buffer, queries, 0, query_count);
  parameter_block = 0;
  parameter_used = 0;
}

}  // namespace nxv::vulkan
