#include <dlfcn.h>
#include <pthread.h>

#include <cstdlib>

#include "base/platform.h"

namespace nxv::platform {
namespace {

#if defined(__APPLE__)
constexpr const char* kLoaders[] = {"libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib",
                                    "/opt/homebrew/lib/libvulkan.1.dylib",
                                    "/usr/local/lib/libvulkan.1.dylib"};
#else
constexpr const char* kLoaders[] = {"libvulkan.so.1", "libvulkan.so"};
#endif

}  // namespace

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string user_cache_folder() {
  const auto under = [](const char* name, const char* rest) {
    const std::string folder = variable(name).value_or("");
    return folder.empty() ? "" : folder + rest;
  };
#if defined(__APPLE__)
  return under("HOME", "/Library/Caches/nxv");
#else
  const std::string xdg = under("XDG_CACHE_HOME", "/nxv");
  return xdg.empty() ? under("HOME", "/.cache/nxv") : xdg;
#endif
}

std::span<const char* const> vulkan_loaders() { return kLoaders; }

Found find_function(std::span<const char* const> libraries, const char* function) {
  Found found;
  for (const char* name : libraries) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
      found.function = dlsym(library, function);
      if (found.function != nullptr) {
        found.library = name;
        return found;
      }
    }
    const char* why = dlerror();
    found.refusal += (found.refusal.empty() ? "" : "; ") + std::string(why ? why : name);
  }
  return found;
}

void at_end_of_process(void (*callback)()) noexcept { std::atexit(callback); }

void in_forked_child(void (*callback)()) noexcept { pthread_atfork(nullptr, nullptr, callback); }

}  // namespace nxv::platform
