#include "vulkan/cache_file.h"

#include <cstdio>
#include <filesystem>
#include <random>
#include <system_error>

namespace nxv::vulkan {

namespace fs = std::filesystem;

std::string hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (const uint8_t byte : bytes) {
    digits += kDigits[byte >> 4];
    digits += kDigits[byte & 15];
  }
  return digits;
}

FileBytes read_cache_file(const std::string& path) {
  return read_private_file(path, kMaxCacheFileBytes);
}

std::string read_or_warn(const std::string& path) {
  FileBytes found = read_cache_file(path);
  if (found.refusal != nullptr) {
    std::fprintf(stderr, "nxv: warning: the cache file %s is ignored: %s\n", path.c_str(),
                 found.refusal);
  }
  return std::move(found.bytes);
}

bool write_cache_file(const std::string& path, std::string_view bytes) {
  if (bytes.size() > kMaxCacheFileBytes) return false;
  make_private_folder(fs::path(path).parent_path());
  const fs::path temporary = path + "." + std::to_string(std::random_device{}());
  if (!write_new_private_file(temporary, bytes)) return false;
  std::error_code error;
  fs::rename(temporary, path, error);
  if (!error) return true;
  fs::remove(temporary, error);
  return false;
}

}  // namespace nxv::vulkan
