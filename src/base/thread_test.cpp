#include "base/thread.h"

#include <gtest/gtest.h>

#include <atomic>

namespace nxv {
namespace {

// Uses about `kilobytes` of stack.
int deep(int kilobytes) {
  volatile char frame[1024] = {};
  frame[kilobytes % 1024] = 1;
  return kilobytes == 0 ? frame[0] : deep(kilobytes - 1) + frame[kilobytes % 1024];
}

TEST(Thread, HasAStackOfSixMegabytesAtLeast) {
  int result = 0;
  Thread("deep", [&] { result = deep(5000); }).join();
  EXPECT_EQ(result, 5001);
}

TEST(Thread, JoinsWhenDestroyedOrReplaced) {
  std::atomic<int> ran{0};
  {
    Thread t("first", [&] { ++ran; });
    t = Thread("second", [&] { ++ran; });
  }
  EXPECT_EQ(ran, 2);
}

TEST(ThreadPool, RunsEveryJobOnceAndWaitsForAll) {
  std::atomic<int> ran{0};
  ThreadPool pool("test", 3);
  for (int i = 0; i < 1000; ++i) pool.submit([&] { ++ran; });
  pool.wait_idle();
  EXPECT_EQ(ran, 1000);
}

TEST(ThreadPool, DestructorRunsWhatWasSubmitted) {
  std::atomic<int> ran{0};
  {
    ThreadPool pool("test", 2);
    for (int i = 0; i < 100; ++i) pool.submit([&] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

}  // namespace
}  // namespace nxv
