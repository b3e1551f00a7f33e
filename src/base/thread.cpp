#include "base/thread.h"

#include <utility>

#include "base/system_thread.h"

namespace nxv {

Thread::Thread(const char* name, std::function<void()> body)
    : thread_(start_thread(name, kThreadStackBytes, std::move(body))) {}

Thread::Thread() noexcept = default;

Thread::~Thread() {
  if (joinable()) join();
}

Thread::Thread(Thread&&) noexcept = default;

Thread& Thread::operator=(Thread&& other) noexcept {
  if (joinable()) join();
  thread_ = std::move(other.thread_);
  return *this;
}

void Thread::join() {
  thread_->join();
  thread_.reset();
}

ThreadPool::ThreadPool(const char* name, int threads) {
  threads_.reserve(static_cast<size_t>(threads));
  try {
    for (int i = 0; i < threads; ++i) threads_.emplace_back(name, [this] { run(); });
  } catch (...) {
    if (threads_.empty()) throw;
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  work_.notify_all();
  threads_.clear();
}

void ThreadPool::submit(std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  work_.notify_one();
}

bool ThreadPool::is_last_job() {
  const std::lock_guard lock(mutex_);
  return jobs_.empty() && running_ == 1;
}

void ThreadPool::wait_idle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return jobs_.empty() && running_ == 0; });
}

void ThreadPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return closing_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    ++running_;
    lock.unlock();
    job();
    job = nullptr;  // what it captured goes before we count as idle
    lock.lock();
    --running_;
    if (jobs_.empty() && running_ == 0) idle_.notify_all();
  }
}

}  // namespace nxv
