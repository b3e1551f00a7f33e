#include <process.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/system_thread.h"
#include "base/win32_text.h"

namespace nxv {
namespace {

class WindowsThread final : public SystemThread {
 public:
  // By the C library, whose state of a thread is then there. The size is that of addresses
  // reserved: memory comes with use.
  WindowsThread(const char*, size_t stack_bytes, std::function<void()> body)
      : body_(std::move(body)),
        handle_(reinterpret_cast<HANDLE>(
            _beginthreadex(nullptr, static_cast<unsigned>(stack_bytes), &WindowsThread::enter, this,
                           STACK_SIZE_PARAM_IS_A_RESERVATION, nullptr))) {
    if (handle_ == nullptr) {
      throw Error(Status::alloc_failed,
                  "no thread can be started: " + std::generic_category().message(errno));
    }
  }
  ~WindowsThread() override { CloseHandle(handle_); }

  void join() override { WaitForSingleObject(handle_, INFINITE); }

 private:
  static unsigned __stdcall enter(void* self) {
    static_cast<WindowsThread*>(self)->body_();
    return 0;
  }

  std::function<void()> body_;
  HANDLE handle_;
};

}  // namespace

std::unique_ptr<SystemThread> start_thread(const char* name, size_t stack_bytes,
                                           std::function<void()> body) {
  return std::make_unique<WindowsThread>(name, stack_bytes, std::move(body));
}

}  // namespace nxv
