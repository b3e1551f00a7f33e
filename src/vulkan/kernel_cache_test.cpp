#include "vulkan/kernel_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {
namespace {

namespace fs = std::filesystem;

// A folder of this test's own, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_(fs::temp_directory_path() /
              ("nxv-" +
               std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()) +
               std::to_string(reinterpret_cast<uintptr_t>(this)))) {}
  ~TemporaryFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    if (fs::exists(path_)) {
      for (const auto& e : fs::directory_iterator(path_)) all.push_back(e.path());
    }
    return all;
  }

 private:
  fs::path path_;
};

TEST(KernelCache, ManyCallersCompileAKeyOnce) {
  NXV_OPEN_OR_SKIP(device, test_options());
  std::atomic<int> generated{0};
  std::vector<std::thread> threads;
  std::vector<const Pipeline*> got(16 * 5);
  for (size_t t = 0; t < 16; ++t) {
    threads.emplace_back([&, t] {
      for (size_t k = 0; k < 5; ++k) {
        const Pipeline& kernel = device->kernels().request("key " + std::to_string(k), [&] {
          ++generated;
          return add_module();
        });
        got[t * 5 + k] = &kernel.get();
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(generated, 5);
  for (size_t i = 0; i < got.size(); ++i) EXPECT_EQ(got[i], got[i % 5]);
  const KernelStats s = device->kernels().stats();
  EXPECT_EQ(s.requests, 80u);
  EXPECT_EQ(s.hits, 75u);
  EXPECT_EQ(s.compiled, 5u);
  EXPECT_EQ(s.failed, 0u);
  EXPECT_GT(s.milliseconds, 0);
}

TEST(KernelCache, AFailedCompilationIsThatKeysError) {
  NXV_OPEN_OR_SKIP(device, test_options());
  KernelCache& cache = device->kernels();
  const Pipeline& broken = cache.request(
      "broken", []() -> ShaderModule { throw Error(Status::unsupported, "needs f128"); });
  EXPECT_EQ(broken.wait().status, Status::unsupported);
  EXPECT_THROW(broken.get(), Error);
  EXPECT_THROW(broken.get(), Error) << "every time";
  const Pipeline& odd =
      cache.request("odd", []() -> ShaderModule { throw std::runtime_error("bad luck"); });
  EXPECT_EQ(odd.wait().status, Status::internal);
  EXPECT_NE(odd.wait().message.str().find("bad luck"), std::string::npos);
  EXPECT_EQ(cache.stats().failed, 2u);
  EXPECT_NO_THROW(cache.request("good", [] { return add_module(); }).get());
}

TEST(KernelCache, RefusesMoreSharedMemoryThanThePlanHas) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const uint32_t limit = device->plan().shared_memory_bytes;
  KernelCache& cache = device->kernels();
  EXPECT_NO_THROW(cache.request("fits", [=] { return add_module(false, limit); }).get());
  const Pipeline& large = cache.request("large", [=] {
    ShaderModule m = add_module();
    m.shared_bytes = limit + 4;
    return m;
  });
  EXPECT_EQ(large.wait().status, Status::unsupported);
  EXPECT_NE(large.wait().message.str().find(std::to_string(limit)), std::string::npos);
}

TEST(KernelCache, FindsOnlyWhatWasRequested) {
  NXV_OPEN_OR_SKIP(device, test_options());
  EXPECT_EQ(device->kernels().find("k"), nullptr);
  const Pipeline& k = device->kernels().request("k", [] { return add_module(); });
  EXPECT_EQ(device->kernels().find("k"), &k);
  EXPECT_EQ(k.key(), "k");
  EXPECT_EQ(k.get().name(), "add");
}

TEST(KernelCache, AKernelThatIsReadyHoldsNothingOfItsGenerator) {
  NXV_OPEN_OR_SKIP(device, test_options());
  for (int k = 0; k < 20; ++k) {
    auto held = std::make_shared<int>(k);
    const std::weak_ptr<int> watched = held;
    const Pipeline& kernel = device->kernels().request(
        "k" + std::to_string(k), [held = std::move(held)] { return add_module(); });
    kernel.get();
    EXPECT_TRUE(watched.expired());
  }
}

TEST(KernelCache, IsWrittenAtTheEndAndReadAgain) {
  const TemporaryFolder folder;
  DeviceOptions o = test_options();
  o.cache_folder = folder.path().string();
  {
    NXV_OPEN_OR_SKIP(device, o);
    device->kernels().request("k", [] { return add_module(); }).get();
  }
  ASSERT_EQ(folder.files().size(), 1u) << "one file, no temporary ones";
  const auto written = fs::file_size(folder.files().front());
  EXPECT_GT(written, 48u);
  NXV_OPEN_OR_SKIP(device, o);
  EXPECT_NO_THROW(device->kernels().request("k", [] { return add_module(); }).get());
}

TEST(KernelCache, ADamagedFileIsIgnored) {
  const TemporaryFolder folder;
  DeviceOptions o = test_options();
  o.cache_folder = folder.path().string();
  {
    NXV_OPEN_OR_SKIP(device, o);
    EXPECT_TRUE(device->kernels().save());
  }
  const fs::path file = folder.files().at(0);
  const auto size = fs::file_size(file);
  const auto damage = [&](auto&& how) {
    how();
    const auto device = open_or_null(o);
    EXPECT_NO_THROW(device->kernels().request("k", [] { return add_module(); }).get());
  };
  damage([&] { fs::resize_file(file, size - 1); });
  damage([&] { fs::resize_file(file, 10); });
  damage([&] { fs::resize_file(file, 0); });
  damage([&] {
    std::fstream f(file, std::ios::binary | std::ios::in | std::ios::out);
    f.seekp(static_cast<std::streamoff>(fs::file_size(file)) - 1);
    f.put('\x55');
  });
}

TEST(KernelCache, AFolderThatCannotBeMadeIsNoError) {
  DeviceOptions o = test_options();
  o.cache_folder = "/dev/null/nxv";
  NXV_OPEN_OR_SKIP(device, o);
  EXPECT_FALSE(device->kernels().save());
  EXPECT_NO_THROW(device->kernels().request("k", [] { return add_module(); }).get());
}

}  // namespace
}  // namespace nxv::vulkan
