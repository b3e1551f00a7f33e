#include "vulkan/drivers.h"

#include "vulkan/loader.h"
// After the header above, which has Vulkan's without prototypes.
#include <vulkan/vk_icd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>

#include "base/installation.h"
#include "base/platform.h"

namespace nxv::vulkan {
namespace {

namespace fs = std::filesystem;

// A function of a library, or why there is none.
template <typename F>
F function_of(const std::string& library, const char* name, std::string* refusal = nullptr) {
  const char* const names[] = {library.c_str()};
  const platform::Found found = platform::find_function(names, name);
  if (refusal != nullptr) *refusal = found.refusal;
  return reinterpret_cast<F>(found.function);
}

// As the loader finds it: beside the manifest, or wherever the system looks.
std::string library_of(const fs::path& manifest, const std::string& named) {
  const fs::path library = fs::u8path(named);
  if (library.is_absolute() || !library.has_parent_path()) return named;
  return (manifest.parent_path() / library).lexically_normal().string();
}

// Asks a driver for its devices, as the loader does. A driver that is asked stays loaded.
void count_devices(Driver& driver) {
  const gate::Passage passage;
  if (!passage.is_open()) return;
  const auto entry = function_of<PFN_vkGetInstanceProcAddr>(
      driver.library, "vk_icdGetInstanceProcAddr", &driver.refusal);
  if (entry == nullptr) return;
  using Negotiate = VkResult(VKAPI_PTR*)(uint32_t*);
  uint32_t interface = 5;  // the last that needs nothing else of us
  if (const auto negotiate =
          function_of<Negotiate>(driver.library, "vk_icdNegotiateLoaderICDInterfaceVersion")) {
    const VkResult result = negotiate(&interface);
    if (result < 0) {
      driver.refusal = "it does not fit to this loader: " + result_name(result);
      return;
    }
  }
  const auto create = reinterpret_cast<PFN_vkCreateInstance>(entry(nullptr, "vkCreateInstance"));
  if (create == nullptr) {
    driver.refusal = "it lacks vkCreateInstance";
    return;
  }
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.apiVersion = VK_API_VERSION_1_1;
  VkInstanceCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  info.pApplicationInfo = &application;
  VkInstance instance = VK_NULL_HANDLE;
  const VkResult created = create(&info, nullptr, &instance);
  if (created < 0) {
    driver.refusal = "vkCreateInstance: " + result_name(created);
    return;
  }
  const auto enumerate = reinterpret_cast<PFN_vkEnumeratePhysicalDevices>(
      entry(instance, "vkEnumeratePhysicalDevices"));
  const auto destroy =
      reinterpret_cast<PFN_vkDestroyInstance>(entry(instance, "vkDestroyInstance"));
  uint32_t count = 0;
  const VkResult enumerated =
      enumerate == nullptr ? VK_ERROR_UNKNOWN : enumerate(instance, &count, nullptr);
  if (destroy != nullptr) destroy(instance, nullptr);
  driver.devices = enumerated < 0 ? 0 : static_cast<int>(count);
  if (enumerated < 0) {
    driver.refusal = "vkEnumeratePhysicalDevices: " + result_name(enumerated);
  } else if (count == 0) {
    driver.refusal = "it finds no device of its own";
  }
}

}  // namespace

std::string member_of_manifest(std::string_view json, std::string_view name) {
  const size_t key = json.find('"' + std::string(name) + '"');
  if (key == std::string_view::npos) return {};
  const size_t colon = json.find(':', key + name.size() + 2);
  const size_t opens = json.find('"', std::min(colon, json.size()));
  if (opens == std::string_view::npos) return {};
  std::string text;
  for (size_t at = opens + 1; at < json.size() && json[at] != '"'; ++at) {
    if (json[at] == '\\' && at + 1 < json.size()) ++at;  // of \\, \/ and \" in paths
    text += json[at];
  }
  return text;
}

Loader find_loader() {
  const platform::Found found =
      platform::find_function(platform::vulkan_loaders(), "vkGetInstanceProcAddr");
  Loader loader{found.library, found.refusal};
  if (found.function == nullptr) return loader;
  const gate::Passage passage;
  if (!passage.is_open()) return loader;
  const auto entry = reinterpret_cast<PFN_vkGetInstanceProcAddr>(found.function);
  const auto version = reinterpret_cast<PFN_vkEnumerateInstanceVersion>(
      entry(nullptr, "vkEnumerateInstanceVersion"));
  loader.version = VK_API_VERSION_1_0;
  if (version != nullptr) version(&loader.version);
  return loader;
}

std::vector<Driver> installed_drivers() {
  std::vector<Driver> all;
  for (const fs::path& manifest : installation::driver_manifests()) {
    Driver driver;
    driver.manifest = manifest.string();
    std::ifstream in(manifest);
    const std::string json((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const std::string named = member_of_manifest(json, "library_path");
    if (!in.good() && json.empty()) {
      driver.refusal = "the manifest cannot be read";
    } else if (named.empty()) {
      driver.refusal = "the manifest names no library";
    } else {
      driver.library = library_of(manifest, named);
      count_devices(driver);
    }
    all.push_back(std::move(driver));
  }
  return all;
}

}  // namespace nxv::vulkan
