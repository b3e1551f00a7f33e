#include "vulkan/cache_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace nxv::vulkan {
namespace {

namespace fs = std::filesystem;

bool is_private(const std::string& path) {
#if defined(_WIN32)
  // Access lists are those of the folder, which is in the user's profile.
  return !path.empty();
#else
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return false;
  return found.st_uid == geteuid() && (found.st_mode & (S_IWGRP | S_IWOTH)) == 0;
#endif
}

}  // namespace

std::string hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (const uint8_t byte : bytes) {
    digits += kDigits[byte >> 4];
    digits += kDigits[byte & 15];
  }
  return digits;
}

std::string read_private_file(const std::string& path) {
  if (!is_private(path)) return {};
  std::ifstream in(path, std::ios::binary);
  return in ? std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>())
            : std::string();
}

bool write_private_file(const std::string& path, std::string_view bytes) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  const fs::path temporary = path + "." + std::to_string(std::random_device{}());
  {
    std::ofstream out(temporary, std::ios::binary);
    // Before there is anything to read.
    fs::permissions(temporary, fs::perms::owner_read | fs::perms::owner_write, error);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    out.close();
    if (!out) {
      fs::remove(temporary, error);
      return false;
    }
  }
  error.clear();
  fs::rename(temporary, path, error);
  if (!error) return true;
  fs::remove(temporary, error);
  return false;
}

}  // namespace nxv::vulkan
