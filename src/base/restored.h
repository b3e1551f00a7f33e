// A variable that has another value for the time of a scope.
#pragma once
#include <utility>

namespace nxv {

// The variable must outlive it.
template <typename T>
class Restored {
 public:
  Restored(T& value, T meanwhile) : value_(value), before_(std::exchange(value, {})) {
    value_ = std::move(meanwhile);
  }
  Restored(const Restored&) = delete;
  Restored& operator=(const Restored&) = delete;
  ~Restored() { value_ = std::move(before_); }

 private:
  T& value_;
  T before_;
};

}  // namespace nxv
