#include "base/thread.h"

#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"

#if defined(_WIN32)
#include <thread>
#else
#include <pthread.h>
#endif

namespace nxv {

#if defined(_WIN32)

struct Thread::State {
  std::thread thread;
};

Thread::Thread(const char*, std::function<void()> body) : state_(std::make_unique<State>()) {
  try {
    state_->thread = std::thread(std::move(body));
  } catch (const std::system_error& e) {
    throw Error(Status::alloc_failed, std::string("no thread can be started: ") + e.what());
  }
}

void Thread::join() {
  state_->thread.join();
  state_.reset();
}

#else

struct Thread::State {
  std::string name;
  std::function<void()> body;
  pthread_t thread{};

  static void* enter(void* self) {
    auto* state = static_cast<State*>(self);
#if defined(__linux__)
    pthread_setname_np(pthread_self(), state->name.substr(0, 15).c_str());
#elif defined(__APPLE__)
    pthread_setname_np(state->name.c_str());
#endif
    state->body();
    return nullptr;
  }
};

Thread::Thread(const char* name, std::function<void()> body) : state_(std::make_unique<State>()) {
  state_->name = name;
  state_->body = std::move(body);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  // A refused size leaves the platform's default.
  pthread_attr_setstacksize(&attributes, kThreadStackBytes);
  const int error = pthread_create(&state_->thread, &attributes, &State::enter, state_.get());
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    state_.reset();
    throw Error(Status::alloc_failed,
                "no thread can be started: " + std::generic_category().message(error));
  }
}

void Thread::join() {
  pthread_join(state_->thread, nullptr);
  state_.reset();
}

#endif

Thread::Thread() noexcept = default;

Thread::~Thread() {
  if (joinable()) join();
}

Thread::Thread(Thread&&) noexcept = default;

Thread& Thread::operator=(Thread&& other) noexcept {
  if (joinable()) join();
  state_ = std::move(other.state_);
  return *this;
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
