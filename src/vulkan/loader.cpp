#include "vulkan/loader.h"

#include <cstdio>
#include <cstring>
#include <vector>

#include "base/platform.h"

namespace nxv::vulkan {
namespace {

constexpr const char* kValidationLayer = "VK_LAYER_KHRONOS_validation";
constexpr const char* kPortabilityExtension = "VK_KHR_portability_enumeration";

// An instance that lives as long as the process keeps the drivers loaded. Some cannot be loaded
// again and again: the thread-local storage that they take is never given back, and after some
// twenty times there is no device.
void keep_drivers_loaded(const Functions& vk, const VkInstanceCreateInfo& like) {
  static const VkInstance kept = [&] {
    VkInstanceCreateInfo info = like;
    info.pNext = nullptr;
    info.enabledLayerCount = 0;
    info.enabledExtensionCount = info.flags == 0 ? 0 : 1;
    info.ppEnabledExtensionNames = &kPortabilityExtension;
    VkInstance instance = VK_NULL_HANDLE;
    return vk.CreateInstance.unhooked(&info, nullptr, &instance) < 0 ? VK_NULL_HANDLE : instance;
  }();
  static_cast<void>(kept);
}

template <class F>
void load(Functions& vk, Call<F>& call, VkInstance instance) {
  call.function = reinterpret_cast<F>(vk.get_instance_proc_addr(instance, call.name));
  call.hook = &vk.hook;
}

template <class F>
void require(const Call<F>& call) {
  if (!call) {
    throw Error(Status::no_device, std::string("the Vulkan loader lacks ") + call.name);
  }
}

bool has_layer(const Functions& vk, const char* name) {
  uint32_t count = 0;
  checked(vk.EnumerateInstanceLayerProperties, &count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  checked(vk.EnumerateInstanceLayerProperties, &count, layers.data());
  for (const auto& l : layers) {
    if (std::strcmp(l.layerName, name) == 0) return true;
  }
  return false;
}

bool has_extension(const Functions& vk, const char* layer, const char* name) {
  uint32_t count = 0;
  checked(vk.EnumerateInstanceExtensionProperties, layer, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  checked(vk.EnumerateInstanceExtensionProperties, layer, &count, extensions.data());
  for (const auto& e : extensions) {
    if (std::strcmp(e.extensionName, name) == 0) return true;
  }
  return false;
}

VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                          VkDebugUtilsMessageTypeFlagsEXT type,
                                          const VkDebugUtilsMessengerCallbackDataEXT* data,
                                          void* instance) {
  // Others come from the loader and its discovery of drivers.
  if (!(type & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT)) return VK_FALSE;
  static_cast<Instance*>(instance)->messages.fetch_add(1);
  const bool error = (severity & VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT) != 0;
  std::fprintf(stderr, "nxv: Vulkan validation %s: %s\n", error ? "error" : "warning",
               data->pMessage);
  return VK_FALSE;
}

}  // namespace

std::string result_name(VkResult r) {
  switch (r) {
#define NXV_NAME(x) \
  case x:           \
    return #x;
    NXV_NAME(VK_SUCCESS)
    NXV_NAME(VK_NOT_READY)
    NXV_NAME(VK_TIMEOUT)
    NXV_NAME(VK_INCOMPLETE)
    NXV_NAME(VK_ERROR_OUT_OF_HOST_MEMORY)
    NXV_NAME(VK_ERROR_OUT_OF_DEVICE_MEMORY)
    NXV_NAME(VK_ERROR_INITIALIZATION_FAILED)
    NXV_NAME(VK_ERROR_DEVICE_LOST)
    NXV_NAME(VK_ERROR_MEMORY_MAP_FAILED)
    NXV_NAME(VK_ERROR_LAYER_NOT_PRESENT)
    NXV_NAME(VK_ERROR_EXTENSION_NOT_PRESENT)
    NXV_NAME(VK_ERROR_FEATURE_NOT_PRESENT)
    NXV_NAME(VK_ERROR_INCOMPATIBLE_DRIVER)
    NXV_NAME(VK_ERROR_TOO_MANY_OBJECTS)
    NXV_NAME(VK_ERROR_UNKNOWN)
    NXV_NAME(VK_ERROR_INVALID_OPAQUE_CAPTURE_ADDRESS)
#undef NXV_NAME
    default:
      return "VkResult " + std::to_string(static_cast<int>(r));
  }
}

Status status_of(VkResult r) {
  switch (r) {
    case VK_ERROR_DEVICE_LOST:
      return Status::device_lost;
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_MEMORY_MAP_FAILED:
      return Status::alloc_failed;
    case VK_ERROR_INITIALIZATION_FAILED:
    case VK_ERROR_INCOMPATIBLE_DRIVER:
      return Status::no_device;
    case VK_ERROR_FEATURE_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_LAYER_NOT_PRESENT:
      return Status::unsupported;
    default:
      return Status::internal;
  }
}

void check(VkResult result, const char* call) {
  if (result >= 0) return;
  throw Error(status_of(result), std::string(call) + " failed: " + result_name(result));
}

std::unique_ptr<Instance> Instance::open(bool validation, const CallHook& hook) {
  if (gate::is_closed()) {
    throw Error(Status::device_lost, "the process is about to end: no device is opened any more");
  }
  auto self = std::make_unique<Instance>();
  Functions& vk = self->vk;
  vk.hook = hook;
  // It is never closed: drivers leave thread-local destructors behind.
  const platform::Found loader =
      platform::find_function(platform::vulkan_loaders(), "vkGetInstanceProcAddr");
  if (loader.function == nullptr) {
    throw Error(Status::no_device,
                "no Vulkan loader was found: install a Vulkan driver (" + loader.refusal + ")");
  }
  vk.get_instance_proc_addr = reinterpret_cast<PFN_vkGetInstanceProcAddr>(loader.function);
#define NXV_LOAD(entry) load(vk, vk.entry, VK_NULL_HANDLE);
  NXV_VK_GLOBAL_FUNCTIONS(NXV_LOAD)
#undef NXV_LOAD
  require(vk.EnumerateInstanceExtensionProperties);
  require(vk.EnumerateInstanceLayerProperties);
  require(vk.CreateInstance);
  uint32_t version = VK_API_VERSION_1_0;
  if (vk.EnumerateInstanceVersion) checked(vk.EnumerateInstanceVersion, &version);
  if (version < VK_API_VERSION_1_1) {
    throw Error(Status::no_device, "the Vulkan loader is of version 1.0; at least 1.1 is needed");
  }

  std::vector<const char*> layers;
  std::vector<const char*> extensions;
  VkInstanceCreateFlags flags = 0;
  if (validation) {
    if (!has_layer(vk, kValidationLayer)) {
      throw Error(Status::unsupported, std::string("validation was asked for, but ") +
                                           kValidationLayer +
                                           " is not installed (Debian: vulkan-validationlayers)");
    }
    layers.push_back(kValidationLayer);
    extensions.push_back(VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
  }
  if (has_extension(vk, nullptr, kPortabilityExtension)) {
    extensions.push_back(kPortabilityExtension);
    flags |= 0x1;  // VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR: MoltenVK
  }
  VkDebugUtilsMessengerCreateInfoEXT messages{};
  messages.sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT;
  messages.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                             VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  messages.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  messages.pfnUserCallback = on_message;
  messages.pUserData = self.get();

  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.pEngineName = "nxv";
  application.apiVersion = version < VK_API_VERSION_1_3 ? version : VK_API_VERSION_1_3;
  VkInstanceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pNext = validation ? &messages : nullptr;
  info.flags = flags;
  info.pApplicationInfo = &application;
  info.enabledLayerCount = static_cast<uint32_t>(layers.size());
  info.ppEnabledLayerNames = layers.data();
  info.enabledExtensionCount = static_cast<uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  const VkResult created = vk.CreateInstance(&info, nullptr, &self->handle);
  if (created < 0) {
    self->handle = VK_NULL_HANDLE;
    if (created == VK_ERROR_INCOMPATIBLE_DRIVER) {
      throw Error(Status::no_device,
                  "the Vulkan loader found no driver: install one, or "
                  "Mesa's lavapipe to compute on the CPU");
    }
    check(created, "vkCreateInstance");
  }
  keep_drivers_loaded(vk, info);
  // Drivers are loaded once, and have registered now what they do when they are.
  static const bool is_registered = (gate::close_at_exit(), true);
  static_cast<void>(is_registered);
#define NXV_LOAD(entry) load(vk, vk.entry, self->handle);
  NXV_VK_INSTANCE_FUNCTIONS(NXV_LOAD)
  NXV_VK_OPTIONAL_INSTANCE_FUNCTIONS(NXV_LOAD)
#undef NXV_LOAD
#define NXV_REQUIRE(entry) require(vk.entry);
  NXV_VK_INSTANCE_FUNCTIONS(NXV_REQUIRE)
#undef NXV_REQUIRE
  if (validation) {
    create(vk.CreateDebugUtilsMessengerEXT, self->messenger, self->handle, &messages, nullptr);
  }
  return self;
}

Instance::~Instance() {
  if (messenger != VK_NULL_HANDLE) vk.DestroyDebugUtilsMessengerEXT(handle, messenger, nullptr);
  if (handle != VK_NULL_HANDLE && vk.DestroyInstance) vk.DestroyInstance(handle, nullptr);
}

void load_device_functions(Functions& vk, VkDevice device) {
  const auto load_one = [&]<class F>(Call<F>& call) {
    call.function = reinterpret_cast<F>(vk.GetDeviceProcAddr(device, call.name));
    call.hook = &vk.hook;
  };
#define NXV_LOAD(entry) load_one(vk.entry);
  NXV_VK_DEVICE_FUNCTIONS(NXV_LOAD)
  NXV_VK_OPTIONAL_DEVICE_FUNCTIONS(NXV_LOAD)
#undef NXV_LOAD
#define NXV_REQUIRE(entry) require(vk.entry);
  NXV_VK_DEVICE_FUNCTIONS(NXV_REQUIRE)
#undef NXV_REQUIRE
}

}  // namespace nxv::vulkan
