// Every environment variable the library reads. No other file asks for one; the table in
// docs/environment.md lists the same rows (a test compares the two).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nxv::env {

struct Variable {
  std::string_view name;
  std::string_view meaning;
};

inline constexpr std::array kVariables = {
    Variable{"NXV_DEVICE", "device to open: an index, a part of its name, or 'cpu'"},
    Variable{"NXV_DISABLE", "capabilities to treat as absent, comma separated: f64,int64,..."},
    Variable{"NXV_PROFILE", "tuning profile to use: cpu, integrated or discrete"},
    Variable{"NXV_MEMORY_BUDGET", "bytes of device memory to use at most; k, m, g suffixes"},
    Variable{"NXV_VALIDATION", "1: enable the Vulkan validation layers and count their messages"},
    Variable{"NXV_CHECK_HAZARDS",
             "1: the recorder proves that conflicting dispatches have a barrier"},
    Variable{"NXV_CHECK_KERNELS",
             "1: every kernel is generated again and compared with the first of its key"},
    Variable{"NXV_DUMP", "folder to write the KernelIR and SPIR-V of every kernel to"},
    Variable{"NXV_CACHE_DIR", "folder of the pipeline caches; 'off' keeps none"},
    Variable{"NXV_NO_FUSION", "1: one kernel per operation"},
};

// Of the Vulkan loader, which reads them itself: for reports.
inline constexpr std::array kLoaderVariables = {
    "VK_DRIVER_FILES",          "VK_ICD_FILENAMES",          "VK_ADD_DRIVER_FILES",
    "VK_LOADER_DRIVERS_SELECT", "VK_LOADER_DRIVERS_DISABLE", "VK_INSTANCE_LAYERS"};
std::optional<std::string> of_loader(const char* name);

// Value of a listed variable, or nothing when it is unset or empty.
std::optional<std::string> get(std::string_view name);
bool flag(std::string_view name);
// Bytes with an optional k, m or g suffix (powers of 1024); throws Error when malformed.
std::optional<uint64_t> bytes(std::string_view name);
// Folder for what is kept between runs: NXV_CACHE_DIR, else "nxv" in the platform's cache folder;
// empty when it is switched off or there is none.
std::string cache_folder();

}  // namespace nxv::env
