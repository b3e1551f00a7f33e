#include "vulkan/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

uint64_t capacity_of(uint64_t size) { return (padded(size) + 63) / 64 * 64; }

TEST(MemoryPool, RandomUseAgainstAModel) {
  NXV_OPEN_OR_SKIP(device, test_options());
  MemoryPool& pool = device->memory();
  std::mt19937 random(1);
  std::vector<BlockRef> live;
  uint64_t in_use = 0, peak = 0;
  for (int step = 0; step < 20000; ++step) {
    if (live.empty() || random() % 100 < (step / 2000 % 2 ? 40 : 60)) {
      const uint64_t size = random() % (uint64_t{1} << (random() % 18));
      live.push_back(pool.allocate(size));
      const BlockRef& b = live.back();
      ASSERT_EQ(b->size(), size);
      ASSERT_EQ(b->capacity(), capacity_of(size));
      ASSERT_EQ(b->address() % 64, 0u);
      in_use += b->capacity();
      peak = std::max(peak, in_use);
    } else {
      const size_t i = random() % live.size();
      in_use -= live[i]->capacity();
      live[i] = std::move(live.back());
      live.pop_back();
    }
    const MemoryStats s = pool.stats();
    ASSERT_EQ(s.in_use, in_use);
    ASSERT_EQ(s.peak, peak);
    if (step % 500 == 0) {
      std::vector<const Block*> sorted;
      for (const BlockRef& b : live) sorted.push_back(b.get());
      std::sort(sorted.begin(), sorted.end(),
                [](const Block* a, const Block* b) { return a->address() < b->address(); });
      for (size_t i = 1; i < sorted.size(); ++i) {
        ASSERT_LE(sorted[i - 1]->address() + sorted[i - 1]->capacity(), sorted[i]->address());
      }
    }
  }
  const uint64_t reserved = pool.stats().in_use + pool.stats().cached;
  live.clear();
  EXPECT_EQ(pool.stats().in_use, 0u);
  EXPECT_EQ(pool.stats().cached, reserved);
  EXPECT_EQ(pool.trim(), reserved) << "freed neighbours merge until slabs are whole";
  EXPECT_EQ(pool.stats().cached, 0u);
}

TEST(MemoryPool, SteadyUseTakesNoNewMemory) {
  NXV_OPEN_OR_SKIP(device, test_options());
  MemoryPool& pool = device->memory();
  uint64_t reserved = 0;
  for (int round = 0; round < 100; ++round) {
    const BlockRef a = pool.allocate(1000000), b = pool.allocate(3333),
                   c = pool.allocate(70 * kMiB);
    const uint64_t now = pool.stats().in_use + pool.stats().cached;
    if (round == 0) reserved = now;
    ASSERT_EQ(now, reserved);
  }
}

TEST(MemoryPool, DeviceBlocksAreReusedAtOnce) {
  NXV_OPEN_OR_SKIP(device, test_options());
  BlockRef a = device->memory().allocate(4096);
  const uint64_t address = a->address();
  device->queue().fill(*a, 0, 4096, 1);
  const uint64_t epoch = device->queue().open_epoch();
  a.reset();
  const BlockRef b = device->memory().allocate(4096);
  EXPECT_EQ(b->address(), address);
  EXPECT_EQ(b->last_use(), epoch) << "the host must know that the device still uses the memory";
}

TEST(MemoryPool, BlocksTheHostTouchesComeBackAfterTheirEpoch) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const BlockRef to = device->memory().allocate(4096);
  for (const Use use : {Use::upload, Use::readback}) {
    BlockRef a = device->memory().allocate(4096, use);
    const uint64_t address = a->address();
    const uint64_t epoch = device->queue().copy(*a, 0, *to, 0, 4096);
    a.reset();
    const BlockRef other = device->memory().allocate(4096, use);
    EXPECT_NE(other->address(), address);
    device->queue().submit();
    ASSERT_FALSE(device->queue().wait(epoch));
    const BlockRef again = device->memory().allocate(4096, use);
    EXPECT_EQ(again->address(), address);
  }
}

TEST(MemoryPool, MergedMemoryRemembersItsLatestUse) {
  NXV_OPEN_OR_SKIP(device, test_options());
  BlockRef a = device->memory().allocate(4096), b = device->memory().allocate(4096);
  ASSERT_EQ(a->address() + 4096, b->address());
  const uint64_t epoch = device->queue().fill(*b, 0, 4096, 1);
  const uint64_t address = a->address();
  a.reset();
  b.reset();
  const BlockRef both = device->memory().allocate(8192);
  EXPECT_EQ(both->address(), address);
  EXPECT_EQ(both->last_use(), epoch);
}

TEST(MemoryPool, PartsHoldTheWhole) {
  NXV_OPEN_OR_SKIP(device, test_options());
  MemoryPool& pool = device->memory();
  const uint64_t before = pool.stats().in_use;
  BlockRef whole = pool.allocate(4096);
  const uint64_t address = whole->address(), taken = pool.stats().in_use;
  BlockRef first = pool.part(whole, 0, 100), second = pool.part(whole, 1024, 3072);
  EXPECT_EQ(first->address(), address);
  EXPECT_EQ(second->address(), address + 1024);
  EXPECT_EQ(second->size(), 3072U);
  EXPECT_TRUE(first.is_unique());
  EXPECT_EQ(whole.references(), 3U);
  EXPECT_EQ(pool.stats().in_use, taken);
  const std::vector<uint32_t> words(768, 7);
  device->transfers().upload(std::as_bytes(std::span(words)), *second);
  whole.reset();
  first.reset();
  std::vector<uint32_t> read(768);
  device->transfers().download(second, 0, std::as_writable_bytes(std::span(read)));
  EXPECT_EQ(read, words);
  EXPECT_EQ(pool.stats().in_use, taken);
  second.reset();
  EXPECT_EQ(pool.stats().in_use, before);
  EXPECT_EQ(pool.allocate(4096)->address(), address);
}

// A part knows what was done with its bytes before it: barriers, and the host, ask for that.
TEST(MemoryPool, PartsRememberThoseBeforeThem) {
  NXV_OPEN_OR_SKIP(device, test_options());
  MemoryPool& pool = device->memory();
  Queue& queue = device->queue();
  const BlockRef whole = pool.allocate(4096);
  for (int round = 0; round < 3; ++round) {
    BlockRef a = pool.part(whole, 0, 2048);
    queue.fill(*a, 0, 2048, 1);
    const uint64_t barriers = queue.stats().barriers, epoch = queue.open_epoch();
    a.reset();
    const BlockRef b = pool.part(whole, 1024, 2048);
    EXPECT_EQ(b->last_use(), epoch);
    queue.fill(*b, 0, 2048, 2);
    EXPECT_EQ(queue.stats().barriers, barriers + 1);
    // One whose bytes are others needs none.
    const BlockRef c = pool.part(whole, 3072, 1024);
    queue.fill(*c, 0, 1024, 3);
    EXPECT_EQ(queue.stats().barriers, barriers + 1);
  }
  queue.submit();
}

TEST(MemoryPool, TriesToAllocateWithoutWaiting) {
  NXV_OPEN_OR_SKIP(device, test_options());
  MemoryPool& pool = device->memory();
  pool.trim();
  pool.set_budget(10 * kMiB);
  BlockRef a = pool.try_allocate(6 * kMiB);
  EXPECT_TRUE(a);
  EXPECT_FALSE(pool.try_allocate(5 * kMiB));
  EXPECT_FALSE(pool.try_allocate(~uint64_t{0}));
  // What is cached makes room, and does not where the device is still at work with it.
  device->queue().fill(*a, 0, 4, 1);
  a.reset();
  EXPECT_TRUE(pool.allocate(7 * kMiB));
}

TEST(MemoryPool, AtTheBudgetItSaysHowMuchThereIs) {
  NXV_OPEN_OR_SKIP(device, test_options());
  MemoryPool& pool = device->memory();
  pool.trim();
  pool.set_budget(10 * kMiB);
  const BlockRef a = pool.allocate(6 * kMiB);
  try {
    pool.allocate(5 * kMiB);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::alloc_failed);
    EXPECT_STREQ(e.what(),
                 "out of device memory: requested 5242880 bytes, in use 6291456, cached 0, budget "
                 "10485760");
  }
  const BlockRef b = pool.allocate(4 * kMiB);  // the device stays usable, to the last byte
  EXPECT_EQ(pool.stats().in_use, 10 * kMiB);
}

TEST(MemoryPool, AtTheBudgetItTakesBackWhatIsCachedAndInFlight) {
  NXV_OPEN_OR_SKIP(device, test_options());
  MemoryPool& pool = device->memory();
  pool.set_budget(8 * kMiB);
  BlockRef a = pool.allocate(6 * kMiB);
  device->queue().fill(*a, 0, 6 * kMiB, 1);  // not even submitted
  a.reset();
  const BlockRef b = pool.allocate(7 * kMiB);
  EXPECT_EQ(pool.stats().in_use, 7 * kMiB);
  EXPECT_LE(pool.stats().in_use + pool.stats().cached, 8 * kMiB);
}

TEST(MemoryPool, RequestsThatCannotFitAreRefused) {
  NXV_OPEN_OR_SKIP(device, test_options());
  for (const uint64_t size : {~uint64_t{0}, ~uint64_t{0} - 63, uint64_t{1} << 62}) {
    EXPECT_THROW(device->memory().allocate(size), Error);
  }
  EXPECT_EQ(device->memory().stats().in_use, 0u);
}

TEST(MemoryPool, TheLastReferenceMayGoOnAnyThread) {
  NXV_OPEN_OR_SKIP(device, test_options());
  MemoryPool& pool = device->memory();
  for (int round = 0; round < 20; ++round) {
    std::vector<BlockRef> blocks;
    for (int i = 0; i < 400; ++i) blocks.push_back(pool.allocate(64 * (1 + i % 7)));
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 4; ++t) {
      threads.emplace_back([mine = std::vector<BlockRef>(
                                blocks.begin() + 100 * t,
                                blocks.begin() + 100 * (t + 1))]() mutable { mine.clear(); });
    }
    blocks.clear();
    for (int i = 0; i < 100; ++i) pool.allocate(256);  // meanwhile
    for (auto& t : threads) t.join();
    ASSERT_EQ(pool.stats().in_use, 0u);
  }
  EXPECT_GT(pool.trim(), 0u);
  EXPECT_EQ(pool.stats().cached, 0u);
}

TEST(MemoryPool, BlocksMayOutliveTheDevice) {
  BlockRef block;
  {
    NXV_OPEN_OR_SKIP(device, test_options());
    block = device->memory().allocate(100);
  }
  EXPECT_EQ(block->size(), 100u);
  block.reset();
}

TEST(MemoryPool, StagingMemoryIsCountedApart) {
  DeviceOptions o = test_options();
  o.plan.profile = plan::Profile::discrete;
  NXV_OPEN_OR_SKIP(device, o);
  const BlockRef a = device->memory().allocate(4096, Use::upload);
  EXPECT_NE(a->host(), nullptr);
  EXPECT_EQ(device->memory().stats().in_use, 0u);
  EXPECT_GE(device->memory().stats().staging, 4096u);
}

}  // namespace
}  // namespace nxv::vulkan
