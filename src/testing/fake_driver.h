// Makes Vulkan calls fail on purpose: the n-th one, or every one from the n-th on.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

namespace nxv::testing {

// Values of VkResult.
inline constexpr int kOutOfHostMemory = -1;
inline constexpr int kOutOfDeviceMemory = -2;
inline constexpr int kDeviceLost = -4;

class FakeDriver {
 public:
  // For DeviceOptions::inject. The FakeDriver must outlive the device.
  std::function<int(const char*)> hook() {
    return [this](const char* call) { return answer(call); };
  }

  // The n-th call from now on, counted from 0, returns `result`.
  void fail_call(int n, int result) { arm(n, n + 1, result, ""); }
  // All calls from the n-th on do, as after a lost device.
  void fail_from(int n, int result) { arm(n, 1 << 30, result, ""); }
  // The next call of this name does.
  void fail_next(const std::string& name, int result) { arm(0, 1 << 30, result, name); }
  void heal() { arm(-1, -1, 0, ""); }

  // Calls since the last of the above.
  int calls() const { return calls_.load(); }
  // Name of the first call that was made to fail; empty if none was.
  std::string failed_call() const {
    const std::lock_guard lock(mutex_);
    return failed_call_;
  }

 private:
  void arm(int first, int last, int result, const std::string& name) {
    const std::lock_guard lock(mutex_);
    calls_ = 0;
    first_ = first;
    last_ = last;
    result_ = result;
    name_ = name;
    failed_call_.clear();
  }
  int answer(const char* call);

  std::atomic<int> calls_{0};
  mutable std::mutex mutex_;
  int first_ = -1;
  int last_ = -1;
  int result_ = 0;
  std::string name_;
  std::string failed_call_;
};

}  // namespace nxv::testing
