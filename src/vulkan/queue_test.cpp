#include "vulkan/queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <random>
#include <thread>

#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {
namespace {

const Pipeline& add_kernel(Device& device) {
  return device.kernels().request("add", [] { return add_module(); }).get();
}

// Random dispatches, copies and fills over parts of a few blocks, against the same on the host. The
// queue proves its barriers on the way.
TEST(Queue, RandomCommandsAgainstAModel) {
  NXV_OPEN_OR_SKIP(device, test_options());
  constexpr uint32_t kWords = 256;
  constexpr size_t kBlocks = 5;
  const Pipeline& kernel = add_kernel(*device);
  Queue& queue = device->queue();
  std::mt19937 random(7);
  const auto number = [&](uint32_t below) { return static_cast<uint32_t>(random() % below); };
  std::vector<BlockRef> blocks;
  std::vector<std::vector<uint32_t>> model(kBlocks, std::vector<uint32_t>(kWords, 0));
  for (size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(device->memory().allocate(kWords * 4));
    queue.fill(*blocks[i], 0, kWords * 4, 0);
  }
  for (int step = 0; step < 1500; ++step) {
    const size_t from = number(kBlocks), to = number(kBlocks);
    const uint32_t count = 1 + number(64);
    const uint32_t read = number(kWords - count), write = number(kWords - count);
    const bool overlap = from == to && read < write + count && write < read + count;
    switch (number(4)) {
      case 0: {
        const uint32_t value = random();
        queue.fill(*blocks[to], write * 4, count * 4, value);
        std::fill_n(model[to].begin() + write, count, value);
        break;
      }
      case 1:
        if (overlap) break;
        queue.copy(*blocks[from], read * 4, *blocks[to], write * 4, count * 4);
        std::copy_n(model[from].begin() + read, count, model[to].begin() + write);
        break;
      default: {
        if (overlap && read != write) break;
        const uint32_t addend = number(1000);
        const AddParameters p{blocks[from]->address() + read * 4, blocks[to]->address() + write * 4,
                              count, addend};
        const Access reads[] = {{*blocks[from], read * 4, (read + count) * 4}};
        const Access writes[] = {{*blocks[to], write * 4, (write + count) * 4}};
        queue.dispatch({.kernel = &kernel,
                        .parameters = bytes_of(p),
                        .groups = {1, 1, 1},
                        .reads = reads,
                        .writes = writes,
                        .work = count});
        for (uint32_t i = 0; i < count; ++i) {
          model[to][write + i] = model[from][read + i] + addend;
        }
        break;
      }
    }
    if (number(200) == 0) queue.submit();
    if (number(20) == 0) {  // other memory, handed out while commands that use it are open
      blocks[to] = device->memory().allocate(kWords * 4);
      queue.fill(*blocks[to], 0, kWords * 4, 5);
      std::fill(model[to].begin(), model[to].end(), 5);
    }
  }
  for (size_t i = 0; i < kBlocks; ++i)
    EXPECT_EQ(download_words(*device, blocks[i], kWords), model[i]);
  EXPECT_LT(queue.stats().barriers, queue.stats().commands);
}

TEST(Queue, IndependentCommandsHaveNoBarrier) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const Pipeline& kernel = add_kernel(*device);
  const BlockRef a = device->memory().allocate(4096), b = device->memory().allocate(4096);
  for (uint32_t i = 0; i < 8; ++i) {
    const AddParameters p{a->address() + 128 * i, b->address() + 128 * i, 32, 1};
    const Access reads[] = {{*a, 128 * i, 128 * (i + 1)}};
    const Access writes[] = {{*b, 128 * i, 128 * (i + 1)}};
    device->queue().dispatch({&kernel, bytes_of(p), {1, 1, 1}, reads, writes, 32});
  }
  EXPECT_EQ(device->queue().stats().barriers, 0u);
  record_add(device->queue(), kernel, *b, *a, 32, 1);
  EXPECT_EQ(device->queue().stats().barriers, 1u);
  device->queue().submit();
}

TEST(Queue, RefusesGridsAndParametersThatAreNotValid) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const Pipeline& kernel = add_kernel(*device);
  const AddParameters p{};
  EXPECT_THROW(device->queue().dispatch({&kernel, bytes_of(p), {65536, 1, 1}, {}, {}, 1}), Error);
  EXPECT_THROW(device->queue().dispatch({&kernel, bytes_of(p), {1, 0, 1}, {}, {}, 1}), Error);
  EXPECT_THROW(device->queue().dispatch({&kernel, bytes_of(p.from), {1, 1, 1}, {}, {}, 1}), Error);
  EXPECT_FALSE(device->queue().failure()) << "a caller's mistake is not the device's failure";
}

TEST(Queue, RefusesAKernelThatLacksABufferItReadsThroughATexelView) {
  NXV_OPEN_OR_SKIP(device, test_options());
  ShaderModule module = add_module();
  module.texels = {{.buffer = 0, .offset = 0}};
  const Pipeline& kernel = device->kernels().request("texels", [&] { return module; });
  if (!device->plan().has.texel_loads) {
    EXPECT_EQ(kernel.wait().status, Status::unsupported);
    return;
  }
  const AddParameters p{};
  EXPECT_THROW(device->queue().dispatch({&kernel, bytes_of(p), {1, 1, 1}, {}, {}, 1}), Error);
  EXPECT_FALSE(device->queue().failure());
}

TEST(Queue, CheckingNoticesBytesOutsideABlock) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const BlockRef a = device->memory().allocate(64);
  EXPECT_THROW(device->queue().fill(*a, 32, 64, 0), Error);
  EXPECT_NO_THROW(device->queue().fill(*a, 32, 32, 0));
}

// At the latest after so many dispatches; a device that starves may get some earlier.
TEST(Queue, EnoughWorkGoesOutByItself) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const BlockRef a = device->memory().allocate(4096);
  Queue& queue = device->queue();
  const uint64_t first = queue.open_epoch();
  const bool only_then = device->plan().tuning.submit_early == 0;
  for (uint32_t i = 0; i < device->plan().tuning.submit_dispatches; ++i) {
    if (only_then) {
      EXPECT_EQ(queue.open_epoch(), first);
    }
    queue.fill(*a, 0, 4096, i);
  }
  EXPECT_GT(queue.open_epoch(), first);
  EXPECT_FALSE(queue.wait(first)) << "nobody called submit()";
  if (only_then) {
    EXPECT_EQ(queue.submit(), first) << "nothing is open";
  }
}

TEST(Queue, CompletionsRunOnceInOrderOfEpochs) {
  NXV_OPEN_OR_SKIP(device, test_options());
  Queue& queue = device->queue();
  const BlockRef a = device->memory().allocate(4096);
  std::mutex mutex;
  std::vector<uint64_t> order;
  std::atomic<int> left{20};
  for (uint64_t i = 10; i > 0; --i) {  // asked for before they are submitted, latest first
    for (int twice = 0; twice < 2; ++twice) {
      queue.on_complete(i, [&, i](const Failure& f) {
        EXPECT_FALSE(f);
        EXPECT_GE(queue.completed(), i);
        {
          const std::lock_guard lock(mutex);
          order.push_back(i);
        }
        left.fetch_sub(1);
        left.notify_all();
      });
    }
  }
  for (int i = 0; i < 10; ++i) {
    queue.fill(*a, 0, 4096, 1);
    queue.submit();
  }
  for (int n = left; n != 0; n = left) left.wait(n);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order.size(), 20u);
}

TEST(Queue, WaitingForAnEpochThatComesLater) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const BlockRef a = device->memory().allocate(4096);
  Failure how{Status::internal, "not set"};
  std::thread waiter([&] { how = device->queue().wait(3); });
  for (int i = 0; i < 3; ++i) {
    device->queue().fill(*a, 0, 4096, 1);
    device->queue().submit();
  }
  waiter.join();
  EXPECT_FALSE(how) << how.message;
}

TEST(Queue, ManyThreadsWaitAndAreTold) {
  NXV_OPEN_OR_SKIP(device, test_options());
  Queue& queue = device->queue();
  constexpr uint64_t kEpochs = 200;
  constexpr int kThreads = 4;
  std::atomic<int> told{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (uint64_t e = 1; e <= kEpochs; ++e) {
        queue.on_complete(e, [&](const Failure& f) { told += !f; });
        EXPECT_FALSE(queue.wait(e));
        EXPECT_GE(queue.completed(), e);
      }
    });
  }
  const BlockRef a = device->memory().allocate(4096);
  for (uint64_t e = 1; e <= kEpochs; ++e) {
    queue.fill(*a, 0, 4096, static_cast<uint32_t>(e));
    EXPECT_EQ(queue.submit(), e);
  }
  for (auto& t : threads) t.join();
  std::atomic<bool> last{false};
  queue.on_complete(kEpochs, [&](const Failure&) {
    last = true;
    last.notify_all();
  });
  last.wait(false);
  EXPECT_EQ(told, kThreads * static_cast<int>(kEpochs));
}

// Whoever asks how far the device is moves the timeline on while its thread decides what to wait
// for. Nothing more is submitted until the last completion was told.
TEST(Queue, CompletionsAreToldWhileOthersAskForTheTimeline) {
  NXV_OPEN_OR_SKIP(device, test_options());
  Queue& queue = device->queue();
  const BlockRef a = device->memory().allocate(256);
  std::atomic<bool> done{false};
  std::thread asker([&] {
    while (!done) queue.completed();
  });
  bool told = true;
  for (uint32_t i = 0; i < 20000 && told; ++i) {
    queue.fill(*a, 0, 256, i);
    const auto promise = std::make_shared<std::promise<void>>();
    queue.on_complete(queue.submit(), [promise](const Failure&) { promise->set_value(); });
    told = promise->get_future().wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  }
  done = true;
  asker.join();
  EXPECT_TRUE(told);
  // Wakes a thread that waits for what comes next, so that the device can close.
  queue.fill(*a, 0, 256, 0);
  queue.submit();
}

TEST(Queue, CompletionsOfWorkNeverSubmittedAreToldAtTheEnd) {
  std::atomic<int> told{0};
  {
    NXV_OPEN_OR_SKIP(device, test_options());
    const BlockRef a = device->memory().allocate(64);
    device->queue().fill(*a, 0, 64, 1);
    device->queue().on_complete(device->queue().open_epoch(), [&](const Failure& f) {
      EXPECT_EQ(f.status, Status::device_lost);
      ++told;
    });
  }
  EXPECT_EQ(told, 1);
}

TEST(Queue, ManySubmissionsReuseTheirCommandBuffers) {
  NXV_OPEN_OR_SKIP(device, test_options());
  const Pipeline& kernel = add_kernel(*device);
  const BlockRef a = device->memory().allocate(256);
  device->queue().fill(*a, 0, 256, 0);
  for (int i = 0; i < 500; ++i) {
    record_add(device->queue(), kernel, *a, *a, 64, 1);
    device->queue().submit();
  }
  EXPECT_EQ(download_words(*device, a, 64), std::vector<uint32_t>(64, 500));
}

TEST(Queue, TheProfilerTimesEveryCommand) {
  NXV_OPEN_OR_SKIP(device, test_options());
  if (!device->plan().has.timestamps) GTEST_SKIP() << "no timestamps";
  const Pipeline& kernel = add_kernel(*device);
  const BlockRef a = device->memory().allocate(40000), b = device->memory().allocate(40000);
  device->queue().fill(*a, 0, 40000, 1);  // not timed
  device->queue().set_profiling(true);
  record_add(device->queue(), kernel, *a, *b, 10000, 1);
  device->queue().set_label(7);
  device->queue().copy(*a, 0, *b, 0, 400);
  ASSERT_FALSE(device->queue().wait(device->queue().submit()));
  const auto times = device->queue().take_profile();
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].name, "add");
  EXPECT_EQ(times[1].name, "copy");
  for (const KernelTime& t : times) {
    EXPECT_GT(t.nanoseconds, 0);
    EXPECT_LT(t.nanoseconds, 1e9);
    EXPECT_EQ(t.epoch, times[0].epoch);
  }
  EXPECT_EQ(times[0].label, 0u);
  EXPECT_EQ(times[1].label, 7u);
  EXPECT_GE(times[1].begin, times[0].begin);
  const auto submissions = device->queue().take_submissions();
  ASSERT_EQ(submissions.size(), 1u);
  EXPECT_EQ(submissions[0].epoch, times[0].epoch);
  EXPECT_EQ(device->queue().submitting(), submissions[0].end - submissions[0].begin);
  EXPECT_TRUE(device->queue().take_profile().empty());
}

}  // namespace
}  // namespace nxv::vulkan
