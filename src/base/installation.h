// What is installed on this machine around Vulkan, for people who look for what is wrong:
// installation_posix.cpp or installation_win32.cpp.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace nxv::installation {

// Name and version of the system, and its processors' kind.
std::string system();

// Manifests of drivers that the Vulkan loader would read, in its order.
std::vector<std::filesystem::path> driver_manifests();

// A file through which programs reach a GPU.
struct DeviceFile {
  std::string path;
  std::string refusal;  // why this process may not use it; empty: it may
};
std::vector<DeviceFile> device_files();

}  // namespace nxv::installation
