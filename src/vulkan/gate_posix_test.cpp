// The end of the process, in processes of their own. test/exits/ has whole programs.
#include "vulkan/gate.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "testing/driver/fake_driver.h"
#include "vulkan/device_fixture_test.h"

namespace nxv::vulkan {
namespace {

using namespace std::chrono_literals;
using Clock = gate::Clock;

class Gate : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

void say(const char* what) { std::fprintf(stderr, "%s\n", what); }

// Another thread that is inside for so long, once this returns.
void enter_elsewhere(Clock::duration stay) {
  std::atomic<bool> is_inside{false};
  std::thread([&is_inside, stay] {
    const gate::Passage passage;
    is_inside = true;
    std::this_thread::sleep_for(stay);
    say("left");
  }).detach();
  while (!is_inside) std::this_thread::yield();
}

// Says, when the gate's handler has run, whether that took long.
void start_of_end() {
  static Clock::time_point start;
  start = Clock::now();
  std::atexit([] { say(Clock::now() - start < 1s ? "at once" : "late"); });
  gate::close_at_exit();
}

TEST_F(Gate, PassagesNest) {
  const gate::Passage outer;
  {
    const gate::Passage inner;
    EXPECT_TRUE(inner.is_open());
  }
  EXPECT_TRUE(outer.is_open());
  EXPECT_FALSE(gate::is_closed());
}

TEST_F(Gate, TheEndWaitsForThoseInside) {
  const auto end = [] {
    std::atexit([] { say("driver's handler"); });
    gate::close_at_exit();
    enter_elsewhere(300ms);
    std::exit(7);
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(7), "left\ndriver's handler");
}

TEST_F(Gate, NotForTheThreadThatEndsTheProcess) {
  const auto end = [] {
    start_of_end();
    const gate::Passage inside;
    std::exit(7);
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(7), "at once");
}

TEST_F(Gate, WhoComesLaterIsHeldUpAndThenRefused) {
  const auto end = [] {
    std::atexit([] {
      // Handlers that run behind the gate's.
      std::thread other([] {
        const auto start = Clock::now();
        const gate::Passage passage;
        say(passage.is_open() ? "open" : "refused");
        say(Clock::now() - start > 500ms ? "after a while" : "at once");
      });
      other.join();
      const auto start = Clock::now();
      const gate::Passage passage;
      say(!passage.is_open() && gate::is_ending_process() && Clock::now() - start < 500ms
              ? "this thread at once"
              : "held up");
    });
    gate::close_at_exit();
    std::exit(7);
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(7), "refused\nafter a while\nthis thread at once");
}

TEST_F(Gate, AChildDoesNotWaitForThreadsOfItsParent) {
  const auto end = [] {
    gate::close_at_exit();
    enter_elsewhere(3s);
    const uint32_t process = gate::process();
    const pid_t child = fork();
    if (child == 0) {
      if (gate::process() == process) std::_Exit(1);
      const gate::Passage passage;
      if (!passage.is_open()) std::_Exit(2);
      std::exit(7);
    }
    const auto start = Clock::now();
    int status = 0;
    waitpid(child, &status, 0);
    if (gate::process() != process || Clock::now() - start > 2s) std::_Exit(3);
    std::_Exit(WIFEXITED(status) ? WEXITSTATUS(status) : 4);
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(7), "");
}

// The end comes while a submission is on its way: it is made, known and waited for.
TEST_F(Gate, SubmissionsAreMadeAndKnownOrNotMade) {
  if (!open_or_null(test_options())) GTEST_SKIP() << "no Vulkan device";
  const auto end = [] {
    static std::atomic<bool> is_submitting{false};
    DeviceOptions options = test_options();
    options.inject = [](const char* call) {
      if (std::string(call) == "vkQueueSubmit") {
        is_submitting = true;
        std::this_thread::sleep_for(300ms);
      }
      return 0;
    };
    Device& device = *Device::open(options).release();
    const BlockRef a = device.memory().allocate(256);
    device.queue().fill(*a, 0, 256, 1);
    std::thread([&device] { device.queue().submit(); }).detach();
    while (!is_submitting) std::this_thread::yield();
    start_of_end();
    std::exit(7);
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(7), "at once");
}

// The device is gone: nothing is in flight that one could wait for.
TEST_F(Gate, ALostDeviceHoldsNothingUp) {
  if (!open_or_null(test_options())) GTEST_SKIP() << "no Vulkan device";
  const auto end = [] {
    static auto* const driver = new nxv::testing::FakeDriver;
    DeviceOptions options = test_options();
    options.inject = driver->hook();
    Device& device = *Device::open(options).release();
    const BlockRef a = device.memory().allocate(256);
    device.queue().fill(*a, 0, 256, 1);
    driver->fail_from(0, nxv::testing::kDeviceLost);
    EXPECT_THROW(device.queue().submit(), Error);
    start_of_end();
    std::exit(7);
  };
  EXPECT_EXIT(end(), ::testing::ExitedWithCode(7), "at once");
}

}  // namespace
}  // namespace nxv::vulkan
