// What others may put in the place of a cache file, and who may read it: permissions, links, FIFOs.
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "vulkan/cache_file_fixture_test.h"
#include "vulkan/module_cache.h"

namespace nxv::vulkan {
namespace {

TEST_F(CacheFile, IsForItsUserAlone) {
  ASSERT_TRUE(write_cache_file((folder_ / "a" / "b" / "file.bin").string(), "x"));
  struct stat found {};
  for (const char* folder : {"a", "a/b"}) {
    ASSERT_EQ(::stat((folder_ / folder).c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700u) << folder;
  }
  ASSERT_EQ(::stat((folder_ / "a" / "b" / "file.bin").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(CacheFile, AFifo) {
  fs::create_directories(folder_);
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  expect_refused("it is no regular file");
}

TEST_F(CacheFile, Links) {
  fs::create_directories(folder_);
  const fs::path other = folder_ / "other";
  std::ofstream(other) << "mine";
  fs::permissions(other, fs::perms::owner_read | fs::perms::owner_write);
  for (const fs::path& target : {fs::path("/dev/zero"), other, folder_ / "nothing"}) {
    fs::remove(path());
    fs::create_symlink(target, path());
    expect_refused("it is a link");
  }
  std::string text;
  std::getline(std::ifstream(other), text);
  EXPECT_EQ(text, "mine") << "what the link points to is not written";
  EXPECT_FALSE(fs::exists(folder_ / "nothing"));
}

TEST_F(CacheFile, ALargeOne) {
  ASSERT_TRUE(write_cache_file(path(), "x"));
  fs::resize_file(path(), uintmax_t{3} << 30);  // sparse
  expect_refused("it is too large");
}

TEST_F(CacheFile, OneThatOthersMayWrite) {
  for (const fs::perms perms : {fs::perms::group_write, fs::perms::others_write}) {
    ASSERT_TRUE(write_cache_file(path(), "x"));
    fs::permissions(path(), perms, fs::perm_options::add);
    expect_refused("others may write it");
  }
}

TEST_F(CacheFile, OneOfSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_TRUE(write_cache_file(path(), "x"));
  ASSERT_EQ(::chown(path().c_str(), 12345, 12345), 0);
  expect_refused("it belongs to somebody else");
}

TEST_F(CacheFile, KeptModulesAreTheirOwnersAlone) {
  ModuleCache cache(folder_.string(), "a");
  cache.add("key", {});
  ASSERT_TRUE(cache.save());
  const fs::path file = *fs::directory_iterator(folder_);
  EXPECT_EQ(fs::status(file).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  fs::permissions(file, fs::perms::others_write, fs::perm_options::add);
  EXPECT_FALSE(ModuleCache(folder_.string(), "a").find("key"));
}

// A whole cache with right checksums, of another user; and the warning, once.
TEST_F(CacheFile, ACacheOfSomebodyElseIsNotUsed) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  {
    ModuleCache cache(folder_.string(), "a");
    cache.add("key", {});
    ASSERT_TRUE(cache.save());
  }
  const fs::path file = *fs::directory_iterator(folder_);
  EXPECT_TRUE(ModuleCache(folder_.string(), "a").find("key"));
  ASSERT_EQ(::chown(file.c_str(), 12345, 12345), 0);
  testing::internal::CaptureStderr();
  ModuleCache cache(folder_.string(), "a");
  EXPECT_FALSE(cache.find("key"));
  cache.add("other", {});
  EXPECT_TRUE(cache.save());
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            "nxv: warning: the cache file " + file.string() +
                " is ignored: it belongs to somebody else\n");
}

}  // namespace
}  // namespace nxv::vulkan
