// Private to src/vulkan. The table of Vulkan functions; every call of this library goes through it.
#pragma once

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan_core.h>

#include <cstring>
#include <functional>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "vulkan/gate.h"
#include "vulkan/recent.h"

namespace nxv::vulkan {

using CallHook = std::function<int(const char* call)>;

// What a call that fails may leave where it should have written a handle, an address or a number.
template <class A>
void write_garbage(A argument) {
  if constexpr (std::is_pointer_v<A>) {
    using Written = std::remove_pointer_t<A>;
    if constexpr (std::is_scalar_v<Written> && !std::is_const_v<Written>) {
      if (argument != nullptr) std::memset(argument, 0xa5, sizeof(Written));
    }
  }
}

// One entry: calls the driver, unless the hook makes a call that can fail return an error. At the
// end of the process nothing is called any more: results are then those of a lost device.
template <class F>
class Call;
template <class R, class... A>
class Call<R(VKAPI_PTR*)(A...)> {
 public:
  using Function = R(VKAPI_PTR*)(A...);
  explicit Call(const char* n) : name(n) {}
  R operator()(A... a) const {
    if constexpr (std::is_same_v<R, VkResult>) {
      if (hook != nullptr && *hook) {
        if (const int injected = (*hook)(name); injected < 0) {
          (write_garbage(a), ...);
          return static_cast<VkResult>(injected);
        }
      }
    }
    return unhooked(a...);
  }
  R unhooked(A... a) const {
    const gate::Passage passage;
    if (passage.is_open()) return function(a...);
    if constexpr (std::is_same_v<R, VkResult>) {
      return VK_ERROR_DEVICE_LOST;
    } else {
      return R();
    }
  }
  explicit operator bool() const { return function != nullptr; }

  const char* name;
  Function function = nullptr;
  const CallHook* hook = nullptr;
};

#define NXV_VK_GLOBAL_FUNCTIONS(X)        \
  X(EnumerateInstanceVersion)             \
  X(EnumerateInstanceExtensionProperties) \
  X(EnumerateInstanceLayerProperties)     \
  X(CreateInstance)

#define NXV_VK_INSTANCE_FUNCTIONS(X)        \
  X(DestroyInstance)                        \
  X(EnumeratePhysicalDevices)               \
  X(GetPhysicalDeviceProperties2)           \
  X(GetPhysicalDeviceFeatures2)             \
  X(GetPhysicalDeviceMemoryProperties2)     \
  X(GetPhysicalDeviceQueueFamilyProperties) \
  X(EnumerateDeviceExtensionProperties)     \
  X(CreateDevice)                           \
  X(GetDeviceProcAddr)

// Null where the instance lacks the extension.
#define NXV_VK_OPTIONAL_INSTANCE_FUNCTIONS(X) \
  X(CreateDebugUtilsMessengerEXT)             \
  X(DestroyDebugUtilsMessengerEXT)            \
  X(GetPhysicalDeviceCooperativeMatrixPropertiesKHR)

#define NXV_VK_DEVICE_FUNCTIONS(X) \
  X(DestroyDevice)                 \
  X(GetDeviceQueue)                \
  X(DeviceWaitIdle)                \
  X(AllocateMemory)                \
  X(FreeMemory)                    \
  X(MapMemory)                     \
  X(CreateBuffer)                  \
  X(DestroyBuffer)                 \
  X(GetBufferMemoryRequirements)   \
  X(BindBufferMemory)              \
  X(GetBufferDeviceAddress)        \
  X(CreateCommandPool)             \
  X(DestroyCommandPool)            \
  X(ResetCommandPool)              \
  X(AllocateCommandBuffers)        \
  X(BeginCommandBuffer)            \
  X(EndCommandBuffer)              \
  X(CmdBindPipeline)               \
  X(CmdPushConstants)              \
  X(CmdDispatch)                   \
  X(CmdDispatchBase)               \
  X(CmdDispatchIndirect)           \
  X(CmdPipelineBarrier)            \
  X(CmdCopyBuffer)                 \
  X(CmdFillBuffer)                 \
  X(CmdWriteTimestamp)             \
  X(CmdResetQueryPool)             \
  X(CreateQueryPool)               \
  X(DestroyQueryPool)              \
  X(GetQueryPoolResults)           \
  X(CreateSemaphore)               \
  X(DestroySemaphore)              \
  X(GetSemaphoreCounterValue)      \
  X(WaitSemaphores)                \
  X(QueueSubmit)                   \
  X(CreateShaderModule)            \
  X(DestroyShaderModule)           \
  X(CreatePipelineLayout)          \
  X(DestroyPipelineLayout)         \
  X(CreateComputePipelines)        \
  X(DestroyPipeline)               \
  X(CreatePipelineCache)           \
  X(DestroyPipelineCache)          \
  X(GetPipelineCacheData)          \
  X(CreateBufferView)              \
  X(DestroyBufferView)             \
  X(CreateDescriptorSetLayout)     \
  X(DestroyDescriptorSetLayout)

// Null where the device lacks the extension, or the plan does without it.
#define NXV_VK_OPTIONAL_DEVICE_FUNCTIONS(X) \
  X(CmdPushDescriptorSetKHR)                \
  X(GetPipelineExecutablePropertiesKHR)     \
  X(GetPipelineExecutableStatisticsKHR)

struct Functions {
  CallHook hook;
  PFN_vkGetInstanceProcAddr get_instance_proc_addr = nullptr;

#define NXV_VK_ENTRY(name) Call<PFN_vk##name> name{"vk" #name};
  NXV_VK_GLOBAL_FUNCTIONS(NXV_VK_ENTRY)
  NXV_VK_INSTANCE_FUNCTIONS(NXV_VK_ENTRY)
  NXV_VK_OPTIONAL_INSTANCE_FUNCTIONS(NXV_VK_ENTRY)
  NXV_VK_DEVICE_FUNCTIONS(NXV_VK_ENTRY)
  NXV_VK_OPTIONAL_DEVICE_FUNCTIONS(NXV_VK_ENTRY)
#undef NXV_VK_ENTRY

  Functions() = default;
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;
};

}  // namespace nxv::vulkan
