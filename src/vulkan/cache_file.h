// Private to src/vulkan. Files of caches: written whole or not at all, readable by their owner
// alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/private_file.h"

namespace nxv::vulkan {

// The bytes as lower-case hexadecimal digits.
std::string hex(std::span<const uint8_t> bytes);

// Larger ones are neither read nor written.
inline constexpr uint64_t kMaxCacheFileBytes = uint64_t{256} << 20;

// See read_private_file.
FileBytes read_cache_file(const std::string& path);
// The same; a refusal is printed to stderr.
std::string read_or_warn(const std::string& path);
// Makes the folders that are missing, for the user alone, and a new file that takes the place of
// what was there. False when it could not be written; what was there before then stays.
bool write_cache_file(const std::string& path, std::string_view bytes);

}  // namespace nxv::vulkan
