#include "base/installation.h"
#include "base/platform.h"
#include "base/win32_text.h"

namespace nxv::installation {
namespace {

class Key {
 public:
  Key(HKEY parent, const wchar_t* path) {
    if (RegOpenKeyExW(parent, path, 0, KEY_READ, &key_) != ERROR_SUCCESS) key_ = nullptr;
  }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key() {
    if (key_ != nullptr) RegCloseKey(key_);
  }
  HKEY get() const { return key_; }

  // Names of its values.
  std::vector<std::wstring> values() const {
    std::vector<std::wstring> all;
    wchar_t name[1024];
    for (DWORD i = 0; key_ != nullptr; ++i) {
      DWORD units = std::size(name);
      const LONG status = RegEnumValueW(key_, i, name, &units, nullptr, nullptr, nullptr, nullptr);
      if (status != ERROR_SUCCESS) break;
      all.emplace_back(name, units);
    }
    return all;
  }

  // A value's texts, which may be several.
  std::vector<std::wstring> texts(const wchar_t* name) const {
    std::vector<std::wstring> all;
    DWORD bytes = 0, type = 0;
    if (key_ == nullptr ||
        RegQueryValueExW(key_, name, nullptr, &type, nullptr, &bytes) != ERROR_SUCCESS ||
        (type != REG_SZ && type != REG_MULTI_SZ)) {
      return all;
    }
    std::wstring found(bytes / sizeof(wchar_t) + 1, L'\0');
    RegQueryValueExW(key_, name, nullptr, nullptr, reinterpret_cast<BYTE*>(found.data()), &bytes);
    for (size_t at = 0; at < found.size() && found[at] != L'\0';) {
      all.emplace_back(found.c_str() + at);
      at += all.back().size() + 1;
    }
    return all;
  }

 private:
  HKEY key_ = nullptr;
};

constexpr const wchar_t* kDrivers = L"SOFTWARE\\Khronos\\Vulkan\\Drivers";
// Of display adapters: keys 0000, 0001, ...
constexpr const wchar_t* kAdapters =
    L"SYSTEM\\CurrentControlSet\\Control\\Class\\{4d36e968-e325-11ce-bfc1-08002be10318}";
constexpr int kMostAdapters = 32;

std::vector<std::filesystem::path> named_by(const char* variable) {
  std::vector<std::filesystem::path> all;
  const std::wstring list = platform::wide(platform::variable(variable).value_or(""));
  for (size_t at = 0; at < list.size();) {
    const size_t end = std::min(list.find(L';', at), list.size());
    if (end > at) all.emplace_back(list.substr(at, end - at));
    at = end + 1;
  }
  return all;
}

}  // namespace

std::string system() {
  const Key version(HKEY_LOCAL_MACHINE, L"SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion");
  std::string text = "Windows";
  for (const wchar_t* value : {L"ProductName", L"DisplayVersion", L"CurrentBuild"}) {
    for (const std::wstring& part : version.texts(value)) text += ", " + platform::narrow(part);
  }
  return text;
}

std::vector<std::filesystem::path> driver_manifests() {
  for (const char* chosen : {"VK_DRIVER_FILES", "VK_ICD_FILENAMES"}) {
    if (auto all = named_by(chosen); !all.empty()) return all;
  }
  std::vector<std::filesystem::path> all = named_by("VK_ADD_DRIVER_FILES");
  for (int i = 0; i < kMostAdapters; ++i) {
    const std::wstring number = std::to_wstring(i);
    const std::wstring key =
        std::wstring(kAdapters) + L"\\" + std::wstring(4 - number.size(), L'0') + number;
    for (const std::wstring& file :
         Key(HKEY_LOCAL_MACHINE, key.c_str()).texts(L"VulkanDriverName")) {
      all.emplace_back(file);
    }
  }
  for (const HKEY root : {HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER}) {
    for (const std::wstring& file : Key(root, kDrivers).values()) all.emplace_back(file);
  }
  return all;
}

// Access to GPUs goes through no files.
std::vector<DeviceFile> device_files() { return {}; }

}  // namespace nxv::installation
