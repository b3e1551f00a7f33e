// Heaps that are exhausted. Whatever driver is there plays a device of several: the plan is made of
// types that are all one of the driver's.
#include "vulkan/heaps.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "testing/driver/fake_driver.h"
#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

void set_memory(plan::Snapshot& s, std::vector<plan::MemoryHeap> heaps,
                std::vector<plan::MemoryType> types) {
  const auto real = std::find_if(s.memory_types.begin(), s.memory_types.end(), [](const auto& t) {
    return t.device_local && t.host_visible && t.host_coherent;
  });
  if (real == s.memory_types.end()) {
    throw Error(Status::unsupported, "no memory of the device that the host sees");
  }
  for (plan::MemoryType& t : types) t.index = real->index;
  s.features.memory_budget = false;
  s.heaps = std::move(heaps);
  s.memory_types = std::move(types);
}

// 24 MiB of its own, beside 48 of the host's.
DeviceOptions discrete() {
  DeviceOptions o = test_options();
  o.plan.profile = plan::Profile::discrete;
  o.plan.memory_budget = 256 * kMiB;
  o.amend = [](plan::Snapshot& s) {
    s.type = plan::DeviceType::discrete;
    set_memory(s, {{24 * kMiB, 0, true}, {48 * kMiB, 0, false}},
               {{0, true, false, false, false}, {1, false, true, true, true}});
  };
  return o;
}

// The same of a device without memory of its own. The host does not cache the first.
DeviceOptions integrated() {
  DeviceOptions o = test_options();
  o.plan.profile = plan::Profile::integrated;
  o.plan.memory_budget = 256 * kMiB;
  o.amend = [](plan::Snapshot& s) {
    s.type = plan::DeviceType::integrated;
    set_memory(s, {{24 * kMiB, 0, true}, {48 * kMiB, 0, false}},
               {{0, true, true, true, false}, {1, false, true, true, true}});
  };
  return o;
}

TEST(Heaps, WhatTheDevicesOwnMemoryLacksTheHostsServes) {
  NXV_OPEN_OR_SKIP(device, discrete());
  MemoryPool& pool = device->memory();
  BlockRef a = pool.allocate(16 * kMiB);
  EXPECT_EQ(pool.stats().spilled, 0u);
  BlockRef b = pool.allocate(16 * kMiB);
  EXPECT_EQ(pool.stats().spilled, 16 * kMiB);
  const BlockRef c = pool.allocate(4 * kMiB);
  EXPECT_EQ(pool.stats().spilled, 16 * kMiB) << "for so little there is room";

  // It is storage like any other.
  constexpr uint32_t kCount = 1000;
  const Pipeline& kernel = device->kernels().request("add", [] { return add_module(); });
  upload_words(*device, std::vector<uint32_t>(kCount, 5), *b);
  record_add(device->queue(), kernel, *b, *a, kCount, 2);
  record_add(device->queue(), kernel, *a, *b, kCount, 2);
  EXPECT_EQ(download_words(*device, b, kCount), std::vector<uint32_t>(kCount, 9));

  // Handed out last.
  const uint64_t slow = b->address(), fast = a->address();
  b.reset();
  a.reset();
  BlockRef again = pool.allocate(16 * kMiB);
  EXPECT_EQ(again->address(), fast);
  EXPECT_EQ(pool.allocate(16 * kMiB)->address(), slow);
  EXPECT_EQ(pool.stats().in_use, 20 * kMiB);
  pool.trim();
  EXPECT_EQ(pool.stats().spilled, 0u);
}

TEST(Heaps, WorkInFlightIsWaitedForBeforeSlowMemoryIsTaken) {
  NXV_OPEN_OR_SKIP(device, discrete());
  MemoryPool& pool = device->memory();
  for (const uint64_t size : {9, 10}) {  // of no use for what follows
    BlockRef a = pool.allocate(size * kMiB);
    device->queue().fill(*a, 0, size * kMiB, 1);
  }
  const BlockRef b = pool.allocate(20 * kMiB);
  EXPECT_EQ(pool.stats().spilled, 0u);
}

TEST(Heaps, WhatHasRefusedIsNotAskedAgainUntilMemoryCameBack) {
  bool refuses = false;
  int asked = 0;
  DeviceOptions o = discrete();
  o.inject = [&](const char* call) {
    if (std::string_view(call) != "vkAllocateMemory") return 0;
    return ++asked == 1 && refuses ? testing::kOutOfDeviceMemory : 0;
  };
  NXV_OPEN_OR_SKIP(device, o);
  MemoryPool& pool = device->memory();
  BlockRef few = pool.allocate(1 * kMiB);
  refuses = true;
  asked = 0;
  const BlockRef a = pool.allocate(12 * kMiB);
  EXPECT_EQ(pool.stats().spilled, 12 * kMiB);
  EXPECT_EQ(asked, 2) << "one that refused, one that served";

  // Nor is anything waited for in vain.
  device->queue().fill(*few, 0, 4, 1);
  const uint64_t submissions = device->queue().stats().submissions;
  const BlockRef b = pool.allocate(12 * kMiB);
  EXPECT_EQ(pool.stats().spilled, 24 * kMiB);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(device->queue().stats().submissions, submissions);

  device->queue().wait(device->queue().submit());
  few.reset();
  pool.trim();
  const BlockRef c = pool.allocate(12 * kMiB);
  EXPECT_EQ(pool.stats().spilled, 24 * kMiB);
}

TEST(Heaps, AreAllAskedBeforeMemoryIsExhausted) {
  testing::FakeDriver driver;
  DeviceOptions o = discrete();
  o.inject = driver.hook();
  NXV_OPEN_OR_SKIP(device, o);
  MemoryPool& pool = device->memory();
  std::vector<BlockRef> blocks;
  while (blocks.size() < (24 + 48) / 8) blocks.push_back(pool.allocate(8 * kMiB));
  EXPECT_EQ(pool.stats().spilled, 48 * kMiB);
  // What both heaps are said to hold is taken: the driver has the last word.
  driver.fail_from_call("vkAllocateMemory", 0, testing::kOutOfDeviceMemory);
  try {
    pool.allocate(8 * kMiB);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::alloc_failed);
  }
  EXPECT_EQ(driver.calls()["vkAllocateMemory"], 2);
  driver.heal();
  blocks.clear();
  pool.trim();
  const BlockRef a = pool.allocate(8 * kMiB);
  EXPECT_EQ(pool.stats().spilled, 0u);
}

TEST(Heaps, OfTheSameMemoryTheNextServesAtOnce) {
  NXV_OPEN_OR_SKIP(device, integrated());
  ASSERT_FALSE(device->plan().use_staging);
  MemoryPool& pool = device->memory();
  for (int i = 0; i < 3; ++i) {
    const BlockRef first = pool.try_allocate(16 * kMiB), second = pool.try_allocate(16 * kMiB);
    ASSERT_TRUE(second) << "nothing has to be waited for";
    EXPECT_NE(first->host(), nullptr);
    EXPECT_NE(second->host(), nullptr);
    EXPECT_EQ(pool.stats().spilled, 0u) << "it is as fast";
    EXPECT_NE(first->is_read_well(), second->is_read_well());
  }
}

// Reading what is not cached takes the host a hundred times as long.
TEST(Heaps, TheHostReadsItsCachedMemory) {
  NXV_OPEN_OR_SKIP(device, integrated());
  const BlockRef a = device->transfers().allocate_for_upload(1 * kMiB);
  ASSERT_FALSE(a->is_read_well());
  std::vector<uint32_t> words(kMiB / 4);
  for (size_t i = 0; i < words.size(); ++i) words[i] = static_cast<uint32_t>(i);
  const uint64_t commands = device->queue().stats().commands;
  upload_words(*device, words, *a);
  EXPECT_EQ(device->queue().stats().commands, commands) << "it writes in place";
  const Readback large = device->transfers().read(a, 0, 1 * kMiB);
  EXPECT_TRUE(large.block->is_read_well());
  EXPECT_EQ(download_words(*device, a, words.size()), words);
  EXPECT_EQ(device->transfers().read(a, 64, 64).bytes, a->host() + 64);
}

}  // namespace
}  // namespace nxv::vulkan
