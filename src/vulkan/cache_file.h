// Private to src/vulkan. Files of caches: written whole or not at all, readable by their owner
// alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace nxv::vulkan {

// The bytes as lower-case hexadecimal digits.
std::string hex(std::span<const uint8_t> bytes);

// The bytes of a file; empty when there is none, or when others could have written it: it is not
// the user's own, or its permissions let others write.
std::string read_private_file(const std::string& path);
// Makes the folder where it is missing. False when the file could not be written; what was there
// before then stays.
bool write_private_file(const std::string& path, std::string_view bytes);

}  // namespace nxv::vulkan
