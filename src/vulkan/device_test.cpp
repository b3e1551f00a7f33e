#include "vulkan/device.h"

#include <gtest/gtest.h>

#include <numeric>

#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {
namespace {

TEST(Device, AddsOnTheDevice) {
  NXV_OPEN_OR_SKIP(device, test_options());
  std::vector<uint32_t> words(1000);
  std::iota(words.begin(), words.end(), 0u);
  const BlockRef a = device->transfers().allocate_for_upload(4000);
  const BlockRef b = device->memory().allocate(4000);
  const BlockRef c = device->memory().allocate(4000);
  upload_words(*device, words, *a);
  const Pipeline& kernel = device->kernels().request("add", [] { return add_module(); });
  record_add(device->queue(), kernel, *a, *b, 1000, 5);
  record_add(device->queue(), kernel, *b, *c, 1000, 7);
  const auto result = download_words(*device, c, 1000);
  for (uint32_t i = 0; i < 1000; ++i) ASSERT_EQ(result[i], i + 12);
  // Staging adds one before the first dispatch and one before the download's copy.
  EXPECT_EQ(device->queue().stats().barriers, device->plan().use_staging ? 3u : 1u);
}

TEST(Device, ParametersBeyondThePushLimitTravelInABlock) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const BlockRef a = device->transfers().allocate_for_upload(256);
  const BlockRef b = device->memory().allocate(256);
  upload_words(*device, std::vector<uint32_t>(64, 1), *a);
  const Pipeline& kernel =
      device->kernels().request("add indirect", [] { return add_module(true); });
  // Enough bytes to fill several parameter blocks; each dispatch adds to the last one's result.
  std::vector<std::byte> parameters(1000);
  const AddParameters first{a->address(), b->address(), 64, 1};
  const AddParameters next{b->address(), b->address(), 64, 1};
  for (int i = 0; i < 1000; ++i) {
    std::memcpy(parameters.data(), i == 0 ? &first : &next, sizeof first);
    const Access reads[] = {i == 0 ? Access(a) : Access(b)};
    const Access writes[] = {b};
    device->queue().dispatch({.kernel = &kernel,
                              .parameters = parameters,
                              .groups = {1, 1, 1},
                              .reads = reads,
                              .writes = writes,
                              .work = 64});
  }
  EXPECT_EQ(download_words(*device, b, 64), std::vector<uint32_t>(64, 1001));
}

TEST(Device, DriversSayWhatTheyMadeOfKernelsIfTheyDo) {
  DeviceOptions o = test_options();
  for (const bool statistics : {false, true}) {
    o.statistics = statistics;
    NXV_OPEN_OR_SKIP(device, o);
    const Pipeline& kernel = device->kernels().request("add", [] { return add_module(); });
    kernel.get();
    if (!statistics) {
      EXPECT_TRUE(kernel.executables().empty());
    }
    for (const Executable& e : kernel.executables()) {
      EXPECT_NE(e.name, "");
      for (const Statistic& s : e.statistics) EXPECT_NE(s.name, "");
    }
  }
}

TEST(Device, ASnapshotThatIsAmendedMakesThePlan) {
  DeviceOptions o = test_options();
  o.amend = [](plan::Snapshot& s) { s.limits.shared_memory_bytes = 8192; };
  NXV_OPEN_OR_SKIP(device, o);
  EXPECT_EQ(device->plan().shared_memory_bytes, 8192u);
  const Pipeline& kernel =
      device->kernels().request("large", [] { return add_module(false, 16384); });
  EXPECT_EQ(kernel.wait().status, Status::unsupported);
  if (device->plan().has.coopmat) GTEST_SKIP() << "a device with matrix units";
  o.amend = [](plan::Snapshot& s) {
    s.features.cooperative_matrix = s.features.vulkan_memory_model = s.features.f16 = true;
    s.matrix_shapes = {{16, 16, 16}};
  };
  EXPECT_THROW(Device::open(o), Error) << "a device does not become another";
}

TEST(Device, LargeTransfersArriveWhole) {
  for (const bool staging : {false, true}) {
    DeviceOptions o = test_options();
    if (staging) o.plan.profile = plan::Profile::discrete;
    NXV_OPEN_OR_SKIP(device, o);
    constexpr size_t kWords = (20 << 20) / 4 + 13;  // some chunks and a rest
    std::vector<uint32_t> words(kWords);
    for (size_t i = 0; i < kWords; ++i) words[i] = static_cast<uint32_t>(i * 2654435761u);
    const BlockRef a = device->memory().allocate(kWords * 4);
    upload_words(*device, words, *a);
    EXPECT_EQ(a->host() == nullptr, device->plan().use_staging);
    EXPECT_TRUE(download_words(*device, a, kWords) == words);
    // Overwriting a block that the device still uses keeps the order of commands.
    const BlockRef b = device->memory().allocate(kWords * 4);
    device->queue().copy(*a, 0, *b, 0, kWords * 4);
    upload_words(*device, std::vector<uint32_t>(kWords, 7), *a);
    EXPECT_TRUE(download_words(*device, b, kWords) == words);
    EXPECT_EQ(download_words(*device, a, kWords), std::vector<uint32_t>(kWords, 7));
  }
}

TEST(Device, ValidationLayersHaveNothingToSay) {
  DeviceOptions o = test_options();
  o.validation = true;
  NXV_OPEN_OR_SKIP(device, o);
  const BlockRef a = device->memory().allocate(4096);
  const BlockRef b = device->memory().allocate(4096);
  const Pipeline& kernel = device->kernels().request("add", [] { return add_module(); });
  if (device->plan().has.timestamps) device->queue().set_profiling(true);
  for (int round = 0; round < 3; ++round) {
    device->queue().fill(*a, 0, 4096, 3);
    record_add(device->queue(), kernel, *a, *b, 1024, 4);
    device->queue().copy(*b, 0, *a, 64, 1024);
    EXPECT_EQ(download_words(*device, b, 1024), std::vector<uint32_t>(1024, 7));
  }
  device->queue().take_profile();
  device->memory().trim();
  EXPECT_EQ(device->validation_messages(), 0u);
}

TEST(Device, EnumerationFindsTheOpenedDevice) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const auto all = enumerate_devices();
  const auto same = [&](const plan::Snapshot& s) { return s.uuid == device->snapshot().uuid; };
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), same));
}

TEST(Device, IsFoundByIndexAndByName) {
  const DeviceOptions options = test_options();
  NXV_OPEN_OR_SKIP(device, options);
  const auto all = enumerate_devices();
  EXPECT_EQ(all[find_device(options.select)].uuid, device->snapshot().uuid);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(find_device(std::to_string(i)), i);
    EXPECT_EQ(all[find_device(all[i].name)].name, all[i].name);
  }
  EXPECT_THROW(find_device("no such device"), Error);
}

TEST(Device, RefusesADeviceThatIsNotThere) {
  try {
    DeviceOptions o;
    o.select = "no such device";
    Device::open(o);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::no_device) << e.what();
  }
}

TEST(Device, RefusesIndexPastTheEnd) {
  DeviceOptions o;
  o.select = "99";
  EXPECT_THROW(Device::open(o), Error);
}

}  // namespace
}  // namespace nxv::vulkan
