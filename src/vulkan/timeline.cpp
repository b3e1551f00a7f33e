#include "vulkan/timeline.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace nxv::vulkan {
namespace {

// A sleeping waiter looks this often whether another thread has seen the device fail.
constexpr uint64_t kSleepNanoseconds = 100'000'000;
// For a driver that has no memory to be asked what the device has done.
constexpr std::chrono::milliseconds kPatience(200);

using Clock = std::chrono::steady_clock;

}  // namespace

Timeline::Timeline(const Context& context, uint32_t poll_microseconds)
    : context_(context), poll_microseconds_(poll_microseconds) {
  VkSemaphoreTypeCreateInfo type{};
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
  info.pNext = &type;
  create(context_.vk().CreateSemaphore, semaphore_, context_.device, &info, nullptr);
  try {
    gate::add(*this);
    thread_ = Thread("nxv-complete", [this] { run(); });
  } catch (...) {
    gate::remove(*this);
    context_.vk().DestroySemaphore(context_.device, semaphore_, nullptr);
    throw;
  }
}

Timeline::~Timeline() {
  gate::remove(*this);
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  thread_.join();
  context_.vk().DestroySemaphore(context_.device, semaphore_, nullptr);
}

void Timeline::set_submitted(uint64_t epoch) {
  submitted_.store(epoch);
  // Pairs with the increment before a waiter's last look at submitted_: one of the two sees the
  // other.
  if (waiting_for_submission_.load() > 0) {
    { const std::lock_guard lock(mutex_); }
    changed_.notify_all();
  }
}

void Timeline::fail(const Failure& failure, bool lost) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = failure;
    if (lost) lost_.store(true);
    failed_.store(true, std::memory_order_release);
  }
  changed_.notify_all();
}

Failure Timeline::failure() const noexcept {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void Timeline::note_silence(VkResult result, const char* call) noexcept {
  if (status_of(result) == Status::alloc_failed) {
    const int64_t now = Clock::now().time_since_epoch().count();
    int64_t since = 0;
    if (silent_since_.compare_exchange_strong(since, now)) since = now;
    if (Clock::duration(now - since) < kPatience) return std::this_thread::yield();
  }
  Failure lost{Status::device_lost, "the device was lost: it cannot be asked what it has done"};
  try {
    lost.message = "the device was lost: " + std::string(call) + " failed: " + result_name(result);
  } catch (const std::bad_alloc&) {
    // The shorter message stays.
  }
  fail(lost, true);
}

uint64_t Timeline::completed() noexcept {
  uint64_t known = completed_.load(std::memory_order_acquire);
  const uint64_t submitted = submitted_.load(std::memory_order_acquire);
  if (known >= submitted || lost_.load(std::memory_order_acquire)) return known;
  uint64_t value = 0;
  const auto& ask = context_.vk().GetSemaphoreCounterValue;
  const VkResult result = ask(context_.device, semaphore_, &value);
  if (result < 0) {
    note_silence(result, ask.name);
    return known;
  }
  if (silent_since_.load(std::memory_order_relaxed) != 0) silent_since_.store(0);
  // Some drivers signal everything with the largest value when the device is lost.
  if (value > submitting_.load()) {
    fail({Status::device_lost, "the device was lost (its timeline ran ahead)"}, true);
    return known;
  }
  while (known < value && !completed_.compare_exchange_weak(known, value)) {
  }
  return std::max(known, value);
}

void Timeline::wait_submitted(uint64_t epoch) noexcept {
  const auto end = Clock::now() + std::chrono::microseconds(poll_microseconds_);
  do {
    if (completed() >= epoch || lost_.load()) return;
    std::this_thread::yield();
  } while (Clock::now() < end);
  const auto& sleep = context_.vk().WaitSemaphores;
  VkSemaphoreWaitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
  info.semaphoreCount = 1;
  info.pSemaphores = &semaphore_;
  info.pValues = &epoch;
  while (completed() < epoch && !lost_.load()) {
    const VkResult result = sleep(context_.device, &info, kSleepNanoseconds);
    if (result < 0) note_silence(result, sleep.name);
  }
}

bool Timeline::is_decided(uint64_t epoch) const {
  if (epoch <= completed_.load() || lost_.load()) return true;
  return epoch > submitted_.load() && (failed_.load() || closing_);
}

Failure Timeline::outcome(uint64_t epoch) const noexcept {
  if (epoch <= completed_.load()) return {};
  if (failure_) return failure_;
  return {Status::device_lost, "the device was closed before this was submitted"};
}

Failure Timeline::wait(uint64_t epoch) {
  if (epoch <= completed_.load(std::memory_order_acquire)) return {};
  if (epoch > submitted_.load()) {
    std::unique_lock lock(mutex_);
    waiting_for_submission_.fetch_add(1);
    changed_.wait(lock, [&] { return epoch <= submitted_.load() || is_decided(epoch); });
    waiting_for_submission_.fetch_sub(1);
  }
  if (epoch <= submitted_.load()) wait_submitted(epoch);
  const std::lock_guard lock(mutex_);
  return outcome(epoch);
}

void Timeline::on_complete(uint64_t epoch, Completion&& done) {
  {
    const std::lock_guard lock(mutex_);
    if (pending_.size() == pending_.capacity()) pending_.reserve(2 * pending_.size() + 8);
    pending_.push_back({epoch, next_order_++, std::move(done)});
    std::push_heap(pending_.begin(), pending_.end());
  }
  changed_.notify_all();
}

// Past the closed gate.
void Timeline::finish(gate::Clock::time_point until) noexcept {
  if (lost_.load()) return;
  const uint64_t epoch = submitted_.load();
  const auto left = std::max(until - gate::Clock::now(), gate::Clock::duration::zero());
  VkSemaphoreWaitInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO;
  info.semaphoreCount = 1;
  info.pSemaphores = &semaphore_;
  info.pValues = &epoch;
  context_.vk().WaitSemaphores.function(
      context_.device, &info,
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(left).count()));
}

void Timeline::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return closing_ || !pending_.empty(); });
    if (pending_.empty()) return;
    const uint64_t epoch = pending_.front().epoch;
    if (is_decided(epoch)) {
      std::pop_heap(pending_.begin(), pending_.end());
      const Completion done = std::move(pending_.back().done);
      pending_.pop_back();
      const Failure how = outcome(epoch);
      lock.unlock();
      done(how);
      lock.lock();
    } else if (epoch <= submitted_.load()) {
      // The next epoch and not this one: a completion for an earlier one may be asked for
      // meanwhile. But none behind it: others, too, learn what has completed, and nobody may submit
      // again before this epoch's completions are told.
      const uint64_t next = std::min(completed_.load() + 1, epoch);
      lock.unlock();
      wait_submitted(next);
      lock.lock();
    } else {
      waiting_for_submission_.fetch_add(1);
      changed_.wait(lock, [&] {
        const uint64_t first = pending_.front().epoch;
        return first <= submitted_.load() || is_decided(first);
      });
      waiting_for_submission_.fetch_sub(1);
    }
  }
}

}  // namespace nxv::vulkan
