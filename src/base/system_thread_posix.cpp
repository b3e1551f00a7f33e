#include <pthread.h>

#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/system_thread.h"

namespace nxv {
namespace {

class PosixThread final : public SystemThread {
 public:
  PosixThread(const char* name, size_t stack_bytes, std::function<void()> body)
      : name_(name), body_(std::move(body)) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_bytes);  // refused, it leaves the system's
    const int error = pthread_create(&thread_, &attributes, &PosixThread::enter, this);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
      throw Error(Status::alloc_failed,
                  "no thread can be started: " + std::generic_category().message(error));
    }
  }

  void join() override { pthread_join(thread_, nullptr); }

 private:
  static void* enter(void* self) {
    auto* me = static_cast<PosixThread*>(self);
#if defined(__linux__)
    pthread_setname_np(pthread_self(), me->name_.substr(0, 15).c_str());
#elif defined(__APPLE__)
    pthread_setname_np(me->name_.c_str());
#endif
    me->body_();
    return nullptr;
  }

  std::string name_;
  std::function<void()> body_;
  pthread_t thread_{};
};

}  // namespace

std::unique_ptr<SystemThread> start_thread(const char* name, size_t stack_bytes,
                                           std::function<void()> body) {
  return std::make_unique<PosixThread>(name, stack_bytes, std::move(body));
}

}  // namespace nxv
