// What an engine does while a loop or a branch waits for the device: otherwise whoever asks for a
// sum would wait for the last round of somebody else's loop.
#include <algorithm>
#include <chrono>
#include <iterator>

#include "runtime/engine.h"

namespace nxv::runtime {

void Engine::serve_others(uint64_t epoch) {
  using Clock = std::chrono::steady_clock;
  vulkan::Queue& queue = device_->queue();
  queue.submit();
  const auto poll_until = Clock::now() + std::chrono::microseconds(plan_.tuning.poll_microseconds);
  std::shared_ptr<bool> is_over;  // under the mutex; once polling has taken long enough
  while (queue.completed() < epoch && !queue.failure()) {
    {
      std::unique_lock lock(mutex_);
      if (is_over) wake_.wait(lock, [&] { return *is_over || !requests_.empty(); });
      if (is_over && *is_over) return;
      take_requests();
    }
    if (passed_over_ < due_.size()) {
      auto next = std::next(due_.begin(), static_cast<std::ptrdiff_t>(passed_over_));
      while (next != due_.end()) {
        graveyard_->drain();
        next = process_aside(*next) ? due_.erase(next) : std::next(next);
      }
      passed_over_ = due_.size();
      queue.submit();
    } else if (!is_over && Clock::now() >= poll_until) {
      const auto flag = std::make_shared<bool>(false);
      queue.on_complete(epoch, [this, flag](const Failure&) {
        const std::lock_guard lock(mutex_);
        *flag = true;
        wake_.notify_one();
      });
      is_over = flag;  // somebody sets it
    }
  }
}

bool Engine::process_aside(Request& request) {
  if (request.task || lost_) return false;
  const Function* const function = request.function.get();
  try {
    if (!request.release && !executor_->can_run_aside(request.nodes, function)) return false;
    executor_->aside([&] {
      if (request.release) {
        upload(request);
        return std::exchange(request.release, nullptr)();
      }
      if (function) return executor_->call(*function, request.nodes, request.results);
      executor_->evaluate(request.nodes, request.purpose);
      answer(request);
    });
  } catch (const std::exception& e) {
    const Failure failure = note(failure_of(e));
    // Room is made between requests; but what a call has written over it cannot read again.
    if (failure.status == Status::alloc_failed && are_readable(request.nodes)) return false;
    if (request.release) {
      request.nodes[0]->set_failed(failure);
      std::exchange(request.release, nullptr)();
    }
    fail(request, failure);
  }
  return true;
}

}  // namespace nxv::runtime
