#include "testing/driver/fake_driver.h"

namespace nxv::testing {

void FakeDriver::arm(const std::string& name, int n, bool forever, int result) {
  const std::lock_guard lock(mutex_);
  calls_.clear();
  total_ = 0;
  name_ = name;
  n_ = n;
  forever_ = forever;
  result_ = result;
  has_failed_ = false;
}

int FakeDriver::answer(const std::string& call) {
  const std::lock_guard lock(mutex_);
  const int of_name = calls_[call]++;
  const int overall = total_++;
  const bool is_it = name_.empty() ? overall == n_ : call == name_ && of_name == n_;
  const bool fails = is_it || (forever_ && has_failed_);
  if (!fails || result_ == 0) return 0;
  has_failed_ = true;
  return result_;
}

}  // namespace nxv::testing
