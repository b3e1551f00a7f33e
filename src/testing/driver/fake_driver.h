// Makes Vulkan calls fail on purpose: one of them, or every one from some point on.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace nxv::testing {

// Values of VkResult.
inline constexpr int kOutOfHostMemory = -1;
inline constexpr int kOutOfDeviceMemory = -2;
inline constexpr int kInitializationFailed = -3;
inline constexpr int kDeviceLost = -4;

class FakeDriver {
 public:
  // For DeviceOptions::inject. The FakeDriver must outlive the device.
  std::function<int(const char*)> hook() {
    return [this](const char* call) { return answer(call); };
  }

  // The n-th call of this name from now on, counted from 0, returns `result`. By name, because how
  // often a semaphore is polled is a matter of timing, which would shift a count over all calls.
  void fail_call(const std::string& name, int n, int result) { arm(name, n, false, result); }
  // All calls from the n-th on do, as after a lost device.
  void fail_from(int n, int result) { arm("", n, true, result); }
  // That call, and every call of any name after it.
  void fail_from_call(const std::string& name, int n, int result) { arm(name, n, true, result); }
  void heal() { arm("", 0, false, 0); }

  // Calls of each name since the last of the above.
  std::map<std::string, int> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  // Was a call made to fail since then?
  bool has_failed() const {
    const std::lock_guard lock(mutex_);
    return has_failed_;
  }

 private:
  void arm(const std::string& name, int n, bool forever, int result);
  int answer(const std::string& call);

  mutable std::mutex mutex_;
  std::map<std::string, int> calls_;
  int total_ = 0;
  std::string name_;
  int n_ = 0;
  bool forever_ = false;
  int result_ = 0;
  bool has_failed_ = false;
};

}  // namespace nxv::testing
