// What stands between a program and its devices: the Vulkan loader, and the drivers that are
// installed, each asked by itself. For people who look for what is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nxv::vulkan {

struct Loader {
  std::string library;   // the name by which it was found; empty: there is none
  std::string refusal;   // then: what the system says
  uint32_t version = 0;  // as VK_MAKE_API_VERSION packs it
};
Loader find_loader();

struct Driver {
  std::string manifest;  // the file that tells of it
  std::string library;
  int devices = 0;
  std::string refusal;  // why it has none
};
std::vector<Driver> installed_drivers();

// Value of a member of a manifest, which is JSON; empty where there is none. Names that matter are
// in it once.
std::string member_of_manifest(std::string_view json, std::string_view name);

}  // namespace nxv::vulkan
