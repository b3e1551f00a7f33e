// What others may put in the place of a cache file: it is ignored, at once, and replaced.
#include "vulkan/cache_file_fixture_test.h"
#include "vulkan/module_cache.h"

namespace nxv::vulkan {
namespace {

TEST_F(CacheFile, ComesBackAndIsReplacedWhole) {
  EXPECT_EQ(read_cache_file(path()).refusal, nullptr) << "there is none";
  ASSERT_TRUE(write_cache_file(path(), std::string("a\0b", 3)));
  EXPECT_EQ(read_cache_file(path()).bytes, std::string("a\0b", 3));
  ASSERT_TRUE(write_cache_file(path(), ""));
  EXPECT_EQ(read_cache_file(path()).refusal, nullptr);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "nothing else is left";
}

TEST_F(CacheFile, AFolderInItsPlace) {
  fs::create_directories(path());
  const FileBytes found = read_cache_file(path());
  EXPECT_STREQ(found.refusal, "it is no regular file");
  EXPECT_FALSE(write_cache_file(path(), "new"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
  // What keeps kernels does without.
  ModuleCache cache((folder_ / "file.bin" / "deeper").string(), "a");
  cache.add("key", {});
  EXPECT_TRUE(cache.find("key"));
}

}  // namespace
}  // namespace nxv::vulkan
