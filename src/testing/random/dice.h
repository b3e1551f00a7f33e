// Draws of the generators of random tests: the same on every platform.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace nxv {

// Of a seed, by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014); or of the bytes of a fuzzer's
// input, where a draw takes as few as it needs and what comes after the last byte is as of a seed.
// Every draw is a statement of its own: the order in which arguments are evaluated must not matter.
class Dice {
 public:
  // A generator that takes dice takes a seed.
  Dice(uint64_t seed) : state_(seed) {}
  // The bytes outlive the dice.
  explicit Dice(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint64_t bits() { return draw(8); }
  int64_t below(int64_t n) {
    size_t bytes = 0;
    for (auto most = static_cast<uint64_t>(n) - 1; most != 0; most >>= 8) ++bytes;
    return static_cast<int64_t>(draw(bytes) % static_cast<uint64_t>(n));
  }
  int64_t between(int64_t low, int64_t high) { return low + below(high - low + 1); }
  bool chance(int percent) { return below(100) < percent; }
  template <typename T>
  const T& pick(const std::vector<T>& list) {
    return list[static_cast<size_t>(below(static_cast<int64_t>(list.size())))];
  }

 private:
  // `bytes`: how many would do.
  uint64_t draw(size_t bytes) {
    if (bytes_.empty()) return next();
    bytes = std::min(bytes, bytes_.size());
    uint64_t drawn = 0;
    for (size_t i = 0; i < bytes; ++i) drawn = drawn << 8 | bytes_[i];
    bytes_ = bytes_.subspan(bytes);
    return drawn;
  }
  uint64_t next() {
    state_ += 0x9E3779B97F4A7C15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }

  std::span<const uint8_t> bytes_;
  uint64_t state_ = 0;
};

}  // namespace nxv
