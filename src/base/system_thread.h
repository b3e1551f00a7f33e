// Private to base/thread.cpp: a thread of the system; system_thread_posix.cpp or
// system_thread_win32.cpp.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace nxv {

class SystemThread {
 public:
  virtual ~SystemThread() = default;
  virtual void join() = 0;  // once, before it is destroyed
};

// Throws Error(alloc_failed) where the system starts no more. A stack of that size, or the
// system's where it refuses it.
std::unique_ptr<SystemThread> start_thread(const char* name, size_t stack_bytes,
                                           std::function<void()> body);

}  // namespace nxv
