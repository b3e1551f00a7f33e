// Private to src/vulkan. SPIR-V of kernels, kept in a file between runs, so that a kernel that was
// made before is not generated again.
//
// The file is of one identity: what kernels depend on besides their keys (the library's sources,
// the device plan). It is written whole or not at all, readable by its owner alone, and ignored
// when it is of another version or identity, damaged, or somebody else's. What was not used for
// longest goes first when it outgrows its bound.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "vulkan/kernel_cache.h"

namespace nxv::vulkan {

class ModuleCache {
 public:
  static constexpr size_t kMaxBytes = size_t{64} << 20;

  // An empty folder, or an empty identity, keeps nothing.
  ModuleCache(const std::string& folder, const std::string& identity, size_t max_bytes = kMaxBytes);
  ModuleCache(const ModuleCache&) = delete;
  ModuleCache& operator=(const ModuleCache&) = delete;

  // The module of a kernel's key, if it is kept and intact. Any thread.
  std::optional<ShaderModule> find(std::string_view key);
  void add(std::string_view key, const ShaderModule& module);
  // Whether so much is new that saving it is worth the while.
  bool has_news() const;
  // Writes what is kept together with what other processes wrote meanwhile; false when that was not
  // possible. Any thread.
  bool save();

 private:
  struct Entry {
    std::string bytes;  // of the module
    uint64_t used = 0;  // the run that last used it
  };
  using Entries = std::unordered_map<std::string, Entry>;
  Entries parse(std::string_view all) const;
  std::string serialise(const Entries& entries) const;

  const std::string path_, identity_;
  const size_t max_bytes_;
  mutable std::mutex mutex_;
  Entries entries_;
  uint64_t run_ = 1;
  size_t news_ = 0;  // entries that the file lacks
  std::mutex saving_;
};

}  // namespace nxv::vulkan
