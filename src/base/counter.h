// A number that one thread counts and any thread may read meanwhile.
#pragma once

#include <atomic>
#include <cstdint>

namespace nxv {

class Counter {
 public:
  void operator+=(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void operator++() { *this += 1; }
  operator uint64_t() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace nxv
