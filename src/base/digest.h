// Digests that need not withstand anybody.
#pragma once

#include <cstdint>
#include <string_view>

namespace nxv {

// FNV-1a, 64 bits (Fowler, Noll, Vo).
constexpr uint64_t fnv1a(std::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace nxv
