// What others may put in the place of a cache file: it is ignored, at once, and replaced.
#include "vulkan/cache_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "vulkan/module_cache.h"

#if !defined(_WIN32)
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace nxv::vulkan {
namespace {

namespace fs = std::filesystem;

class CacheFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("nxv-cache-" + std::to_string(std::random_device{}()));
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Reads it as what it is, with the reason why not; then writes it, and reads that.
  void expect_refused(const std::string& why) {
    const CacheBytes found = read_private_file(path());
    EXPECT_TRUE(found.bytes.empty());
    EXPECT_STREQ(found.refusal, why.c_str());
    ASSERT_TRUE(write_private_file(path(), "new"));
    EXPECT_EQ(read_private_file(path()).bytes, "new");
  }
  std::string path() const { return (folder_ / "file.bin").string(); }

  fs::path folder_;
};

TEST_F(CacheFile, ComesBackAndIsReplacedWhole) {
  EXPECT_EQ(read_private_file(path()).refusal, nullptr) << "there is none";
  ASSERT_TRUE(write_private_file(path(), std::string("a\0b", 3)));
  EXPECT_EQ(read_private_file(path()).bytes, std::string("a\0b", 3));
  ASSERT_TRUE(write_private_file(path(), ""));
  EXPECT_EQ(read_private_file(path()).refusal, nullptr);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1) << "nothing else is left";
}

TEST_F(CacheFile, AFolderInItsPlace) {
  fs::create_directories(path());
  const CacheBytes found = read_private_file(path());
  EXPECT_STREQ(found.refusal, "it is no regular file");
  EXPECT_FALSE(write_private_file(path(), "new"));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
  // What keeps kernels does without.
  ModuleCache cache((folder_ / "file.bin" / "deeper").string(), "a");
  cache.add("key", {});
  EXPECT_TRUE(cache.find("key"));
}

#if !defined(_WIN32)

TEST_F(CacheFile, IsForItsUserAlone) {
  ASSERT_TRUE(write_private_file((folder_ / "a" / "b" / "file.bin").string(), "x"));
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
  ASSERT_TRUE(write_private_file(path(), "x"));
  fs::resize_file(path(), uintmax_t{3} << 30);  // sparse
  expect_refused("it is too large");
}

TEST_F(CacheFile, OneThatOthersMayWrite) {
  for (const fs::perms perms : {fs::perms::group_write, fs::perms::others_write}) {
    ASSERT_TRUE(write_private_file(path(), "x"));
    fs::permissions(path(), perms, fs::perm_options::add);
    expect_refused("others may write it");
  }
}

TEST_F(CacheFile, OneOfSomebodyElse) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_TRUE(write_private_file(path(), "x"));
  ASSERT_EQ(::chown(path().c_str(), 12345, 12345), 0);
  expect_refused("it belongs to somebody else");
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

#endif

}  // namespace
}  // namespace nxv::vulkan
