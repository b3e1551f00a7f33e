// Private to src/vulkan. Opens the Vulkan loader at run time and an instance of it.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "vulkan/functions.h"

namespace nxv::vulkan {

// Throws Error with the name of the call and of the result, unless it succeeded.
void check(VkResult result, const char* call);
Status status_of(VkResult result);
std::string result_name(VkResult result);

// Calls an entry of the table and checks its result.
template <class F, class... A>
void checked(const Call<F>& call, A&&... arguments) {
  check(call(std::forward<A>(arguments)...), call.name);
}

// The same for an entry that takes last where to write a handle. Drivers leave anything there when
// they fail: `made` is written when it has succeeded.
template <class F, class Handle, class... A>
void create(const Call<F>& call, Handle& made, A&&... arguments) {
  Handle handle{};
  checked(call, std::forward<A>(arguments)..., &handle);
  made = handle;
}

struct Instance {
  // Throws Error(no_device) without a loader, Error(unsupported) when validation is asked for and
  // the layer is not installed.
  static std::unique_ptr<Instance> open(bool validation, const CallHook& hook);
  ~Instance();

  Functions vk;
  VkInstance handle = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger = VK_NULL_HANDLE;
  std::atomic<uint64_t> messages{0};  // of the validation layers
};

// Fills the device level of the table.
void load_device_functions(Functions& vk, VkDevice device);

}  // namespace nxv::vulkan
