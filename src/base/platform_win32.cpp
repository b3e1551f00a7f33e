#include "base/platform.h"

#include <system_error>

#include "base/win32_text.h"

namespace nxv::platform {
namespace {

constexpr const char* kLoaders[] = {"vulkan-1.dll"};

std::string last_error() {
  return std::system_category().message(static_cast<int>(GetLastError()));
}

}  // namespace

// Not the C library's, which has it in the code page of the user.
std::optional<std::string> variable(const char* name) {
  const std::wstring key = wide(name);
  std::wstring value;
  for (;;) {
    SetLastError(ERROR_SUCCESS);
    const DWORD room = static_cast<DWORD>(value.size());
    const DWORD units = GetEnvironmentVariableW(key.c_str(), value.data(), room);
    if (units == 0 && GetLastError() != ERROR_SUCCESS) return std::nullopt;
    if (units < room || units == 0) {
      value.resize(units);
      return narrow(value);
    }
    value.resize(units);  // with its end; again, since another thread may set it
  }
}

std::string user_cache_folder() {
  const std::string folder = variable("LOCALAPPDATA").value_or("");
  return folder.empty() ? "" : folder + "\\nxv";
}

std::span<const char* const> vulkan_loaders() { return kLoaders; }

Found find_function(std::span<const char* const> libraries, const char* function) {
  Found found;
  for (const char* name : libraries) {
    if (const HMODULE library = LoadLibraryW(wide(name).c_str())) {
      found.function = reinterpret_cast<void*>(GetProcAddress(library, function));
      if (found.function != nullptr) {
        found.library = name;
        return found;
      }
    }
    found.refusal += (found.refusal.empty() ? "" : "; ") + std::string(name) + ": " + last_error();
  }
  return found;
}

// Libraries hear of the end when the system has ended all other threads.
void at_end_of_process(void (*)()) noexcept {}

void in_forked_child(void (*)()) noexcept {}

}  // namespace nxv::platform
