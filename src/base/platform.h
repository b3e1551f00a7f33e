// What systems do differently, apart from threads (system_thread.h) and files (private_file.h): the
// build takes platform_posix.cpp or platform_win32.cpp. Text is UTF-8 on all of them.
#pragma once

#include <optional>
#include <span>
#include <string>

namespace nxv::platform {

// Value of an environment variable; nothing where it is not set. For base/env alone.
std::optional<std::string> variable(const char* name);

// Folder of this library among the caches of the user; empty where the system knows none.
std::string user_cache_folder();

// Names that the Vulkan loader has here, in the order in which they are tried.
std::span<const char* const> vulkan_loaders();

// A function of a library that stays loaded until the process ends.
struct Found {
  void* function = nullptr;
  std::string library;  // the name that has it
  std::string refusal;  // else: what the system says of each name
};
Found find_function(std::span<const char* const> libraries, const char* function);

// Calls back when the process ends, before what was registered earlier, while other threads go on;
// never where none is left by then.
void at_end_of_process(void (*callback)()) noexcept;

// Calls back in each child that is forked, where there is such a thing.
void in_forked_child(void (*callback)()) noexcept;

}  // namespace nxv::platform
