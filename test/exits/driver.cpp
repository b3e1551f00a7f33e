// A Vulkan driver that takes itself apart when the process ends, as some do: from its exit handler
// on, every call into it ends the process by SIGABRT, and so does the handler itself when a call is
// in progress or work is in flight then. Otherwise it is the driver that NXV_EXITS_DRIVER names,
// with slower compilations and submissions, NXV_EXITS_SLOW milliseconds each.
#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "vulkan/functions.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

const pid_t loaded_by = getpid();
std::atomic<bool> is_dead{false};
std::atomic<int> calls_in_progress{0};

[[noreturn]] void fail(const char* what, const char* where) {
  std::fprintf(stderr, "driver: %s %s\n", what, where);
  std::abort();
}

class InDriver {
 public:
  explicit InDriver(const char* call) {
    ++calls_in_progress;
    if (is_dead) fail("called after its exit handler:", call);
  }
  ~InDriver() { --calls_in_progress; }
};

void be_slow() {
  static const int milliseconds = [] {
    const char* text = std::getenv("NXV_EXITS_SLOW");
    return text != nullptr ? std::atoi(text) : 0;
  }();
  if (milliseconds > 0) std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// What is in flight: of each timeline semaphore the last value that a submission will signal. Never
// destroyed, for threads outlive static objects.
struct Timelines {
  std::mutex mutex;
  std::map<VkSemaphore, std::pair<VkDevice, uint64_t>> last;
};
Timelines& timelines() {
  static auto* const all = new Timelines;
  return *all;
}

void take_apart();

// The functions that nxv calls: each counts itself, then calls the real driver.
template <class Name, class F>
struct Entry;
template <class Name, class R, class... A>
struct Entry<Name, R(VKAPI_PTR*)(A...)> {
  static inline R(VKAPI_PTR* real)(A...) = nullptr;
  static R VKAPI_CALL call(A... a) {
    const InDriver guard(Name::text);
    return real(a...);
  }
};

#define NAME(function)                                  \
  struct Name##function {                               \
    static constexpr const char* text = "vk" #function; \
  };
NXV_VK_INSTANCE_FUNCTIONS(NAME)
NXV_VK_DEVICE_FUNCTIONS(NAME)
NXV_VK_OPTIONAL_DEVICE_FUNCTIONS(NAME)
#define ENTRY(function) Entry<Name##function, PFN_vk##function>

VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo* info,
                                  const VkAllocationCallbacks* allocator, VkDevice* device) {
  static const int registered = std::atexit(take_apart);
  static_cast<void>(registered);
  return ENTRY(CreateDevice)::call(physical, info, allocator, device);
}

VkResult VKAPI_CALL create_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                     const VkComputePipelineCreateInfo* infos,
                                     const VkAllocationCallbacks* allocator,
                                     VkPipeline* pipelines) {
  const InDriver guard("vkCreateComputePipelines");
  // Some set up what they need when they first need it.
  static const int registered = std::atexit(take_apart);
  static_cast<void>(registered);
  be_slow();
  return ENTRY(CreateComputePipelines)::real(device, cache, count, infos, allocator, pipelines);
}

VkResult VKAPI_CALL create_semaphore(VkDevice device, const VkSemaphoreCreateInfo* info,
                                     const VkAllocationCallbacks* allocator,
                                     VkSemaphore* semaphore) {
  const VkResult result = ENTRY(CreateSemaphore)::call(device, info, allocator, semaphore);
  if (result == VK_SUCCESS) {
    const std::lock_guard lock(timelines().mutex);
    timelines().last[*semaphore] = {device, 0};
  }
  return result;
}

void VKAPI_CALL destroy_semaphore(VkDevice device, VkSemaphore semaphore,
                                  const VkAllocationCallbacks* allocator) {
  {
    const std::lock_guard lock(timelines().mutex);
    timelines().last.erase(semaphore);
  }
  ENTRY(DestroySemaphore)::call(device, semaphore, allocator);
}

VkResult VKAPI_CALL submit(VkQueue queue, uint32_t count, const VkSubmitInfo* infos,
                           VkFence fence) {
  const InDriver guard("vkQueueSubmit");
  const VkResult result = ENTRY(QueueSubmit)::real(queue, count, infos, fence);
  for (uint32_t i = 0; result == VK_SUCCESS && i < count; ++i) {
    const auto* values = static_cast<const VkTimelineSemaphoreSubmitInfo*>(infos[i].pNext);
    const std::lock_guard lock(timelines().mutex);
    for (uint32_t s = 0; s < infos[i].signalSemaphoreCount; ++s) {
      timelines().last[infos[i].pSignalSemaphores[s]].second = values->pSignalSemaphoreValues[s];
    }
  }
  be_slow();
  return result;
}

// The exit handler. A child that was forked has nothing of the driver's.
void take_apart() {
  if (getpid() != loaded_by || is_dead.exchange(true)) return;
  if (calls_in_progress != 0) fail("a call is in progress", "in its exit handler");
  for (const auto& [semaphore, last] : timelines().last) {
    uint64_t value = 0;
    ENTRY(GetSemaphoreCounterValue)::real(last.first, semaphore, &value);
    if (value < last.second) fail("work is in flight", "in its exit handler");
  }
  // Whoever is still on its way calls now.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
}

PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char* name);

// The entry that stands for a function of the real driver, or the function itself.
PFN_vkVoidFunction replace(const char* name, PFN_vkVoidFunction function) {
  static const auto* const entries = [] {
    auto* all =
        new std::unordered_map<std::string, std::pair<PFN_vkVoidFunction*, PFN_vkVoidFunction>>;
#define ROW(function)                                                                      \
  (*all)["vk" #function] = {reinterpret_cast<PFN_vkVoidFunction*>(&ENTRY(function)::real), \
                            reinterpret_cast<PFN_vkVoidFunction>(&ENTRY(function)::call)};
    NXV_VK_INSTANCE_FUNCTIONS(ROW)
    NXV_VK_DEVICE_FUNCTIONS(ROW)
    NXV_VK_OPTIONAL_DEVICE_FUNCTIONS(ROW)
    const auto special = [&](const char* n, auto* f) {
      (*all)[n].second = reinterpret_cast<PFN_vkVoidFunction>(f);
    };
    special("vkGetDeviceProcAddr", &device_function);
    special("vkCreateDevice", &create_device);
    special("vkCreateComputePipelines", &create_pipelines);
    special("vkCreateSemaphore", &create_semaphore);
    special("vkDestroySemaphore", &destroy_semaphore);
    special("vkQueueSubmit", &submit);
    return all;
  }();
  const auto found = entries->find(name);
  if (found == entries->end() || function == nullptr) return function;
  *found->second.first = function;
  return found->second.second;
}

PFN_vkVoidFunction VKAPI_CALL device_function(VkDevice device, const char* name) {
  const InDriver guard("vkGetDeviceProcAddr");
  return replace(name, ENTRY(GetDeviceProcAddr)::real(device, name));
}

template <class F>
F real_entry(const char* name) {
  static void* const library = [] {
    const char* path = std::getenv("NXV_EXITS_DRIVER");
    void* opened = path != nullptr ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : nullptr;
    if (opened == nullptr) fail("NXV_EXITS_DRIVER names no driver:", path != nullptr ? path : "");
    std::atexit(take_apart);
    return opened;
  }();
  return reinterpret_cast<F>(dlsym(library, name));
}

}  // namespace

// What the Vulkan loader asks a driver for.

EXPORT VkResult vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t* version) {
  return real_entry<VkResult (*)(uint32_t*)>("vk_icdNegotiateLoaderICDInterfaceVersion")(version);
}

EXPORT PFN_vkVoidFunction vk_icdGetInstanceProcAddr(VkInstance instance, const char* name) {
  return replace(
      name, real_entry<PFN_vkGetInstanceProcAddr>("vk_icdGetInstanceProcAddr")(instance, name));
}

EXPORT PFN_vkVoidFunction vk_icdGetPhysicalDeviceProcAddr(VkInstance instance, const char* name) {
  const auto get = real_entry<PFN_vkGetInstanceProcAddr>("vk_icdGetPhysicalDeviceProcAddr");
  return get != nullptr ? replace(name, get(instance, name)) : nullptr;
}
