#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <random>
#include <string>

#include "vulkan/cache_file.h"

namespace nxv::vulkan {

namespace fs = std::filesystem;

class CacheFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("nxv-cache-" + std::to_string(std::random_device{}()));
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Reads it as what it is, with the reason why not; then writes it, and reads that.
  void expect_refused(const std::string& why) {
    const FileBytes found = read_cache_file(path());
    EXPECT_TRUE(found.bytes.empty());
    EXPECT_STREQ(found.refusal, why.c_str());
    ASSERT_TRUE(write_cache_file(path(), "new"));
    EXPECT_EQ(read_cache_file(path()).bytes, "new");
  }
  std::string path() const { return (folder_ / "file.bin").string(); }

  fs::path folder_;
};

}  // namespace nxv::vulkan
