// Threads with stacks of our own size: drivers compile on them, and some platforms give secondary
// threads only 512 KiB.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace nxv {

class SystemThread;

inline constexpr size_t kThreadStackBytes = size_t{8} << 20;

// Joins on destruction. An exception that leaves `body` terminates, as with std::thread. Throws
// Error(alloc_failed) where the system starts no more threads.
class Thread {
 public:
  Thread() noexcept;
  Thread(const char* name, std::function<void()> body);
  ~Thread();
  Thread(Thread&&) noexcept;
  Thread& operator=(Thread&&) noexcept;

  bool joinable() const { return thread_ != nullptr; }
  void join();

 private:
  std::unique_ptr<SystemThread> thread_;
};

// A fixed set of threads that run jobs in the order of submission; fewer where the system has no
// more. Jobs must not throw. The destructor runs what was submitted and joins.
class ThreadPool {
 public:
  ThreadPool(const char* name, int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(threads_.size()); }
  // Throws only without memory, and has then not taken the job.
  void submit(std::function<void()> job);
  // Returns when every job submitted so far has run.
  void wait_idle();
  // For a job to ask: whether no other runs or waits.
  bool is_last_job();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  std::deque<std::function<void()>> jobs_;
  int running_ = 0;
  bool closing_ = false;
  std::vector<Thread> threads_;
};

}  // namespace nxv
