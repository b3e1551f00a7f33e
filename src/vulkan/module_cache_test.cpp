#include "vulkan/module_cache.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "vulkan/cache_file.h"

namespace nxv::vulkan {
namespace {

namespace fs = std::filesystem;

class Modules : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("nxv-modules-" + std::to_string(std::random_device{}()));
  }
  void TearDown() override { fs::remove_all(folder_); }

  static ShaderModule module(uint32_t n) {
    ShaderModule m;
    m.name = "kernel " + std::to_string(n);
    m.words = {1, n, 3};
    m.push_bytes = 8;
    m.parameter_bytes = 4 * n;
    m.local_size[0] = 64;
    m.required_subgroup_size = 32;
    m.shared_bytes = 128;
    m.texels = {{n, 2 * n}};
    return m;
  }
  static void expect_equal(const std::optional<ShaderModule>& a, const ShaderModule& b) {
    ASSERT_TRUE(a);
    EXPECT_EQ(a->name, b.name);
    EXPECT_EQ(a->words, b.words);
    EXPECT_EQ(a->push_bytes, b.push_bytes);
    EXPECT_EQ(a->parameter_bytes, b.parameter_bytes);
    EXPECT_TRUE(std::equal(a->local_size, a->local_size + 3, b.local_size));
    EXPECT_EQ(a->required_subgroup_size, b.required_subgroup_size);
    EXPECT_EQ(a->shared_bytes, b.shared_bytes);
    ASSERT_EQ(a->texels.size(), b.texels.size());
    EXPECT_EQ(a->texels[0].buffer, b.texels[0].buffer);
    EXPECT_EQ(a->texels[0].offset, b.texels[0].offset);
  }
  fs::path file() const { return *fs::directory_iterator(folder_); }

  fs::path folder_;
};

TEST_F(Modules, AreFoundAgain) {
  {
    ModuleCache cache(folder_.string(), "a");
    EXPECT_FALSE(cache.find("key"));
    cache.add("key", module(1));
    cache.add(std::string("k\0y", 3), module(2));
    expect_equal(cache.find("key"), module(1));
    EXPECT_TRUE(cache.save());
  }
  ModuleCache again(folder_.string(), "a");
  expect_equal(again.find("key"), module(1));
  expect_equal(again.find(std::string("k\0y", 3)), module(2));
  EXPECT_FALSE(again.find("k"));
  EXPECT_FALSE(ModuleCache(folder_.string(), "b").find("key"));
  EXPECT_FALSE(ModuleCache("", "a").save());
}

TEST_F(Modules, DamageIsNoticed) {
  {
    ModuleCache cache(folder_.string(), "a");
    for (uint32_t i = 0; i < 4; ++i) cache.add("key" + std::to_string(i), module(i));
    ASSERT_TRUE(cache.save());
  }
  std::string whole = read_cache_file(file().string()).bytes;
  ASSERT_FALSE(whole.empty());
  std::mt19937 random(3);
  for (int round = 0; round < 500; ++round) {
    std::string bytes = whole;
    if (round % 2 == 0) {
      bytes.resize(random() % whole.size());
    } else {
      bytes[random() % whole.size()] ^= static_cast<char>(1 + random() % 255);
    }
    ASSERT_TRUE(write_cache_file(file().string(), bytes));
    ModuleCache cache(folder_.string(), "a");
    for (uint32_t i = 0; i < 4; ++i) {
      if (const auto found = cache.find("key" + std::to_string(i))) expect_equal(found, module(i));
    }
  }
}

TEST_F(Modules, WhatOthersSavedStays) {
  ModuleCache one(folder_.string(), "a"), two(folder_.string(), "a");
  one.add("one", module(1));
  two.add("two", module(2));
  ASSERT_TRUE(one.save());
  ASSERT_TRUE(two.save());
  ModuleCache again(folder_.string(), "a");
  expect_equal(again.find("one"), module(1));
  expect_equal(again.find("two"), module(2));
}

TEST_F(Modules, TheLongestUnusedGoFirst) {
  constexpr size_t kBound = 2000;
  const auto name = [](uint32_t i) { return "key" + std::to_string(i); };
  for (uint32_t i = 0; i < 40; ++i) {
    ModuleCache cache(folder_.string(), "a", kBound);
    cache.find(name(0));
    cache.add(name(i), module(i));
    ASSERT_TRUE(cache.save());
    EXPECT_LE(fs::file_size(file()), kBound);
  }
  ModuleCache cache(folder_.string(), "a", kBound);
  EXPECT_TRUE(cache.find(name(0)));
  EXPECT_TRUE(cache.find(name(39)));
  EXPECT_FALSE(cache.find(name(1)));
}

}  // namespace
}  // namespace nxv::vulkan
