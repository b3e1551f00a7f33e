#include <grp.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <system_error>

#include "base/installation.h"
#include "base/platform.h"

namespace nxv::installation {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> split(const std::string& list) {
  std::istringstream in(list);
  std::vector<std::string> parts;
  for (std::string part; std::getline(in, part, ':');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::string variable_or(const char* name, const std::string& otherwise) {
  const std::string value = platform::variable(name).value_or("");
  return value.empty() ? otherwise : value;
}

// Folders of configuration and data, as the XDG specification and the loader have them.
std::vector<fs::path> manifest_folders() {
  const std::string home = variable_or("HOME", "");
  std::vector<std::string> roots;
  const auto add = [&](const std::string& list) {
    for (const std::string& root : split(list)) roots.push_back(root);
  };
  if (!home.empty()) add(variable_or("XDG_CONFIG_HOME", home + "/.config"));
  add(variable_or("XDG_CONFIG_DIRS", "/etc/xdg"));
  add("/usr/local/etc:/etc");
  if (!home.empty()) add(variable_or("XDG_DATA_HOME", home + "/.local/share"));
  add(variable_or("XDG_DATA_DIRS", "/usr/local/share:/usr/share"));
#if defined(__APPLE__)
  add("/opt/homebrew/share:/opt/homebrew/etc");
#endif
  std::vector<fs::path> folders;
  for (const std::string& root : roots) {
    const fs::path folder = fs::path(root) / "vulkan" / "icd.d";
    if (std::find(folders.begin(), folders.end(), folder) == folders.end()) {
      folders.push_back(folder);
    }
  }
  return folders;
}

// The manifests in it, or itself.
void add_manifests(const fs::path& place, std::vector<fs::path>& all) {
  std::error_code error;
  if (!fs::is_directory(place, error)) {
    all.push_back(place);
    return;
  }
  const size_t first = all.size();
  for (const auto& entry : fs::directory_iterator(place, error)) {
    if (entry.path().extension() == ".json") all.push_back(entry.path());
  }
  std::sort(all.begin() + static_cast<std::ptrdiff_t>(first), all.end());
}

std::string group_name(gid_t id) {
  const group* found = getgrgid(id);
  return found != nullptr ? found->gr_name : std::to_string(id);
}

std::string refusal_of(const std::string& path) {
  if (::access(path.c_str(), R_OK | W_OK) == 0) return "";
  const int why = errno;
  std::string text = std::generic_category().message(why);
  struct stat found {};
  if (why == EACCES && ::stat(path.c_str(), &found) == 0) {
    text += ": it is for the group '" + group_name(found.st_gid) + "'";
  }
  return text;
}

}  // namespace

std::string system() {
  utsname found{};
  if (::uname(&found) != 0) return "unknown";
  return std::string(found.sysname) + " " + found.release + " " + found.machine;
}

std::vector<fs::path> driver_manifests() {
  std::vector<fs::path> all;
  for (const char* chosen : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}) {
    const std::string list = variable_or(chosen, "");
    if (list.empty()) continue;
    for (const std::string& place : split(list)) add_manifests(place, all);
    return all;
  }
  for (const std::string& place : split(variable_or("VK_ADD_DRIVER_FILES", ""))) {
    add_manifests(place, all);
  }
  std::error_code error;
  for (const fs::path& folder : manifest_folders()) {
    if (fs::is_directory(folder, error)) add_manifests(folder, all);
  }
  return all;
}

// Linux and FreeBSD: nodes of the Direct Rendering Manager, of NVIDIA's driver and of AMD's.
std::vector<DeviceFile> device_files() {
  std::vector<DeviceFile> all;
  std::error_code error;
  const auto add_from = [&](const char* folder, auto has_name) {
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (!has_name(name) || entry.is_directory(error)) continue;
      all.push_back({entry.path().string(), refusal_of(entry.path().string())});
    }
  };
  add_from("/dev/dri", [](const std::string& name) { return name.rfind("renderD", 0) == 0; });
  add_from("/dev", [](const std::string& name) {
    return name.rfind("nvidia", 0) == 0 || name == "kfd" || name == "dxg";
  });
  std::sort(all.begin(), all.end(),
            [](const DeviceFile& a, const DeviceFile& b) { return a.path < b.path; });
  return all;
}

}  // namespace nxv::installation
