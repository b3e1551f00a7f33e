// Private to src/vulkan. Epochs: a timeline semaphore whose value is the last completed submission,
// who waits for it, and the queue's first failure.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "base/thread.h"
#include "vulkan/context.h"
#include "vulkan/queue.h"

namespace nxv::vulkan {

class Timeline final : public gate::InFlight {
 public:
  Timeline(const Context& context, uint32_t poll_microseconds);
  // Calls every pending completion. Nothing may be running on the device any more.
  ~Timeline() override;
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  VkSemaphore semaphore() const { return semaphore_; }
  uint64_t submitted() const { return submitted_.load(std::memory_order_acquire); }
  // The recording thread: epoch is about to be handed to the device, and was. The device may have
  // completed it in between.
  void set_submitting(uint64_t epoch) { submitting_.store(epoch); }
  void set_submitted(uint64_t epoch);

  // Records the first failure. After a loss of contact with the device (any error in asking it, or
  // a lost device) no further epoch counts as completed; after others, submitted ones still do.
  void fail(const Failure& failure, bool lost) noexcept;
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  Failure failure() const noexcept;

  uint64_t completed() noexcept;
  Failure wait(uint64_t epoch);
  // Takes `done` unless it throws, for want of memory.
  void on_complete(uint64_t epoch, Completion&& done);
  void finish(gate::Clock::time_point until) noexcept override;

 private:
  struct Pending {
    uint64_t epoch;
    uint64_t order;  // completions of one epoch run in the order they were asked for
    Completion done;
    bool operator<(const Pending& o) const {
      return epoch != o.epoch ? epoch > o.epoch : order > o.order;
    }
  };

  // Returns when the submitted epoch has completed or contact is lost.
  void wait_submitted(uint64_t epoch) noexcept;
  // The device was asked and did not answer. Where a driver has no memory to ask it, that may pass;
  // else, or when it has lasted, contact is lost.
  void note_silence(VkResult result, const char* call) noexcept;
  // Will nothing more happen to the epoch? Needs mutex_.
  bool is_decided(uint64_t epoch) const;
  Failure outcome(uint64_t epoch) const noexcept;
  void run();

  const Context& context_;
  const uint32_t poll_microseconds_;
  VkSemaphore semaphore_ = VK_NULL_HANDLE;
  std::atomic<uint64_t> submitting_{0};
  std::atomic<uint64_t> submitted_{0};
  std::atomic<uint64_t> completed_{0};
  std::atomic<bool> failed_{false};
  std::atomic<bool> lost_{false};
  std::atomic<int> waiting_for_submission_{0};
  std::atomic<int64_t> silent_since_{0};  // ticks of the clock; 0: the last question was answered

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Failure failure_;
  std::vector<Pending> pending_;  // a heap, earliest epoch first
  uint64_t next_order_ = 0;
  bool closing_ = false;
  Thread thread_;  // last: it uses all of the above
};

}  // namespace nxv::vulkan
