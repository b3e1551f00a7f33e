#include "testing/fake_driver.h"

namespace nxv::testing {

int FakeDriver::answer(const char* call) {
  const int n = calls_.fetch_add(1);
  const std::lock_guard lock(mutex_);
  if (!name_.empty()) {
    if (name_ != call || !failed_call_.empty()) return 0;
  } else if (n < first_ || n >= last_) {
    return 0;
  }
  if (failed_call_.empty()) failed_call_ = call;
  return result_;
}

}  // namespace nxv::testing
