// What happens when Vulkan calls fail: errors are reported, nothing crashes, leaks or hangs.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <set>
#include <string>

#include "testing/driver/fake_driver.h"
#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {
namespace {

using testing::FakeDriver;

// Opens a device, adds, reads; every call that can fail is made at least once.
std::vector<uint32_t> open_add_read(const DeviceOptions& options) {
  const auto device = Device::open(options);
  const BlockRef a = device->memory().allocate(256), b = device->memory().allocate(256);
  upload_words(*device, std::vector<uint32_t>(64, 3), *a);
  // Which command buffer is used next depends on what has completed: now everything has.
  if (const Failure f = device->queue().wait(device->queue().submit())) {
    throw_failure(f);
  }
  const Pipeline& kernel = device->kernels().request("add", [] { return add_module(); });
  if (device->plan().has.timestamps) device->queue().set_profiling(true);
  record_add(device->queue(), kernel, *a, *b, 64, 4);
  auto result = download_words(*device, b, 64);
  device->queue().take_profile();
  return result;
}

// How often these happen depends on timing.
bool is_poll(const std::string& call) {
  return call == "vkGetSemaphoreCounterValue" || call == "vkWaitSemaphores";
}

// Calls `body(name, n)` with the n-th call of every name set to fail, as they come in
// open_add_read.
template <class Body>
void for_each_call(FakeDriver& driver, const DeviceOptions& options, int result, Body&& body) {
  driver.heal();
  ASSERT_EQ(open_add_read(options), std::vector<uint32_t>(64, 7));
  const auto calls = driver.calls();
  ASSERT_GT(calls.size(), 20u);
  for (const auto& [name, count] : calls) {
    for (int n = 0; n < (is_poll(name) ? 1 : count); ++n) {
      driver.fail_call(name, n, result);
      body(name, n);
    }
  }
  driver.heal();
}

// Every failure is reported, but those listed, which leave a right answer.
void fail_every_call(DeviceOptions options, int result, const std::set<std::string>& harmless) {
  FakeDriver driver;
  options.inject = driver.hook();
  if (!open_or_null(options)) GTEST_SKIP() << "no Vulkan device";
  for_each_call(driver, options, result, [&](const std::string& name, int n) {
    std::optional<std::vector<uint32_t>> got;
    try {
      got = open_add_read(options);
    } catch (const Error& e) {
      EXPECT_NE(e.status(), Status::ok);
      EXPECT_STRNE(e.what(), "");
    }
    if (!is_poll(name)) {
      EXPECT_TRUE(driver.has_failed()) << name << " " << n << " was not reached";
    }
    if (!got) return;
    EXPECT_EQ(*got, std::vector<uint32_t>(64, 7)) << name << " " << n;
    // A poll that is not reached, or comes after the result was read, changes nothing.
    EXPECT_TRUE(is_poll(name) || harmless.contains(name))
        << name << " " << n << " was not reported";
  });
}

// The pool and the queue make room and try once more; kernels are tried again by who needs them;
// times are left out.
const std::set<std::string> kRetried = {
    "vkCreateBuffer",       "vkAllocateMemory",      "vkBindBufferMemory",
    "vkCreateBufferView",   "vkMapMemory",           "vkCreateComputePipelines",
    "vkCreateShaderModule", "vkCreateCommandPool",   "vkAllocateCommandBuffers",
    "vkResetCommandPool",   "vkBeginCommandBuffer",  "vkCreateQueryPool",
    "vkQueueSubmit",        "vkGetQueryPoolResults",
};
// Without the times of a lost device the rest is right.
const std::set<std::string> kLeftOut = {"vkGetQueryPoolResults"};

// The validation layers report what is still there when a device is destroyed.
TEST(Failure, NothingOfTheDriversIsLeftBehind) {
  FakeDriver driver;
  DeviceOptions o = test_options();
  o.validation = true;
  o.inject = driver.hook();
  if (!open_or_null(o)) GTEST_SKIP() << "no Vulkan device or no validation layers";
  ::testing::internal::CaptureStderr();
  for_each_call(driver, o, testing::kOutOfHostMemory, [&](const std::string&, int) {
    try {
      open_add_read(o);
    } catch (const Error&) {
    }
  });
  const std::string messages = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(messages.find("nxv: Vulkan validation"), std::string::npos) << messages;
}

TEST(Failure, TheNthCallRunsOutOfMemory) {
  fail_every_call(test_options(), testing::kOutOfDeviceMemory, kRetried);
}

TEST(Failure, TheNthCallLosesTheDevice) {
  fail_every_call(test_options(), testing::kDeviceLost, kLeftOut);
}

TEST(Failure, TheNthCallFailsWithStaging) {
  DeviceOptions o = test_options();
  o.plan.profile = plan::Profile::discrete;
  fail_every_call(o, testing::kOutOfHostMemory, kRetried);
}

TEST(Failure, EverythingFailsFromTheNthCallOn) {
  FakeDriver driver;
  DeviceOptions o = test_options();
  o.inject = driver.hook();
  if (!open_or_null(o)) GTEST_SKIP() << "no Vulkan device";
  driver.heal();
  open_add_read(o);
  int calls = 0;
  for (const auto& [name, count] : driver.calls()) calls += count;
  for (int n = 0; n < calls; ++n) {
    driver.fail_from(n, testing::kDeviceLost);
    try {
      open_add_read(o);
    } catch (const Error& e) {
      EXPECT_NE(e.status(), Status::ok);
    }
    driver.heal();
  }
}

struct Told {
  std::atomic<int> ok{0};
  std::atomic<int> lost{0};
  Completion completion() {
    return [this](const Failure& f) {
      ++(f ? lost : ok);
      if (f) {
        EXPECT_EQ(f.status, Status::device_lost);
      }
    };
  }
};

TEST(Failure, ALostDeviceAnswersEveryLaterCallAndEveryPendingCompletion) {
  FakeDriver driver;
  DeviceOptions o = test_options();
  o.inject = driver.hook();
  Told told;
  {
    NXV_OPEN_OR_SKIP(device, o);
    Queue& queue = device->queue();
    const BlockRef a = device->memory().allocate(256);
    queue.fill(*a, 0, 256, 1);
    const uint64_t good = queue.submit();
    ASSERT_FALSE(queue.wait(good));
    queue.on_complete(good, told.completion());

    driver.fail_call("vkQueueSubmit", 0, testing::kDeviceLost);
    const uint64_t bad = queue.fill(*a, 0, 256, 2);
    for (uint64_t e = bad; e < bad + 5; ++e) queue.on_complete(e, told.completion());
    EXPECT_THROW(queue.submit(), Error);
    driver.heal();

    EXPECT_EQ(queue.failure().status, Status::device_lost);
    EXPECT_FALSE(queue.wait(good)) << "what had completed stays so";
    EXPECT_EQ(queue.wait(bad).status, Status::device_lost);
    EXPECT_EQ(queue.wait(bad + 100).status, Status::device_lost);
    const auto is_lost = [](auto&& call) {
      try {
        call();
        return false;
      } catch (const Error& e) {
        return e.status() == Status::device_lost;
      }
    };
    EXPECT_TRUE(is_lost([&] { queue.fill(*a, 0, 256, 3); }));
    EXPECT_TRUE(is_lost([&] { queue.copy(*a, 0, *a, 128, 64); }));
    EXPECT_TRUE(is_lost([&] { queue.submit(); }));
    queue.on_complete(bad, told.completion());
  }
  EXPECT_EQ(told.ok, 1);
  EXPECT_EQ(told.lost, 6);
  // A new device opens in the same process.
  EXPECT_EQ(open_add_read(o), std::vector<uint32_t>(64, 7));
}

TEST(Failure, LossWhileWaitingReachesWaitersAndCompletions) {
  for (const char* call : {"vkGetSemaphoreCounterValue", "vkWaitSemaphores"}) {
    FakeDriver driver;
    DeviceOptions o = test_options();
    o.inject = driver.hook();
    Told told;
    {
      NXV_OPEN_OR_SKIP(device, o);
      Queue& queue = device->queue();
      const BlockRef a = device->memory().allocate(32 << 20);
      for (uint32_t i = 0; i < 20; ++i) queue.fill(*a, 0, 32 << 20, i);  // takes a while
      driver.fail_call(call, 0, testing::kDeviceLost);
      const uint64_t epoch = queue.submit();
      for (int i = 0; i < 10; ++i) queue.on_complete(epoch, told.completion());
      queue.wait(epoch);
    }
    EXPECT_EQ(told.ok + told.lost, 10) << call;
    EXPECT_TRUE(told.lost == 10 || !driver.has_failed()) << call;
  }
}

TEST(Failure, FailureOfACompilationIsNotTheQueues) {
  FakeDriver driver;
  DeviceOptions o = test_options();
  o.inject = driver.hook();
  NXV_OPEN_OR_SKIP(device, o);
  driver.fail_call("vkCreateComputePipelines", 0, testing::kOutOfDeviceMemory);
  const Pipeline& bad = device->kernels().request("bad", [] { return add_module(); });
  EXPECT_EQ(bad.wait().status, Status::alloc_failed);
  driver.fail_call("vkCreateComputePipelines", 0, testing::kOutOfDeviceMemory);
  const BlockRef a = device->memory().allocate(256), b = device->memory().allocate(256);
  EXPECT_THROW(record_add(device->queue(), bad, *a, *b, 64, 1), Error);
  EXPECT_FALSE(device->queue().failure());
  const Pipeline& good = device->kernels().request("good", [] { return add_module(); });
  device->queue().fill(*a, 0, 256, 1);
  record_add(device->queue(), good, *a, *b, 64, 1);
  EXPECT_EQ(download_words(*device, b, 64), std::vector<uint32_t>(64, 2));
  // Where there is memory now, it is made.
  record_add(device->queue(), bad, *b, *a, 64, 1);
  EXPECT_EQ(download_words(*device, a, 64), std::vector<uint32_t>(64, 3));
  EXPECT_EQ(bad.wait().status, Status::ok);
}

TEST(Failure, AFailedAllocationIsRetriedAfterTrimming) {
  FakeDriver driver;
  DeviceOptions o = test_options();
  o.inject = driver.hook();
  NXV_OPEN_OR_SKIP(device, o);
  driver.fail_call("vkAllocateMemory", 0, testing::kOutOfDeviceMemory);
  EXPECT_TRUE(device->memory().allocate(1000));
  EXPECT_TRUE(driver.has_failed());
}

}  // namespace
}  // namespace nxv::vulkan
