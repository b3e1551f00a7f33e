// Private to src/vulkan. Free ranges in size classes: two levels of lists with bitmaps, so that
// finding, adding and removing take constant time (two-level segregated fit).
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace nxv::vulkan {

inline constexpr uint64_t kGranule = 64;  // sizes and offsets of blocks are multiples of it

// T has capacity_, previous_ and next_ (reachable through Links).
template <class T, class Links>
class FreeLists {
 public:
  void add(T* block) {
    const Class c = class_of(units(block));
    T*& head = heads_[c.first][c.second];
    Links::previous(block) = nullptr;
    Links::next(block) = head;
    if (head) Links::previous(head) = block;
    head = block;
    first_ |= uint64_t{1} << c.first;
    second_[c.first] |= static_cast<uint16_t>(1u << c.second);
  }

  void remove(T* block) {
    const Class c = class_of(units(block));
    T* const before = Links::previous(block);
    T* const after = Links::next(block);
    if (after) Links::previous(after) = before;
    if (before) {
      Links::next(before) = after;
    } else {
      heads_[c.first][c.second] = after;
      if (!after) {
        second_[c.first] &= static_cast<uint16_t>(~(1u << c.second));
        if (second_[c.first] == 0) first_ &= ~(uint64_t{1} << c.first);
      }
    }
  }

  // A block of at least `bytes` (a multiple of kGranule), or null. It stays in its list.
  T* find(uint64_t bytes) const {
    const uint64_t n = bytes / kGranule;
    // Blocks of the request's own class may be too small; one that was released a moment ago and
    // fits is the usual case, and the best.
    const Class own = class_of(n);
    T* candidate = heads_[own.first][own.second];
    for (int i = 0; candidate && i < 4; ++i, candidate = Links::next(candidate)) {
      if (Links::capacity(candidate) >= bytes) return candidate;
    }
    // Every block of the next class up fits.
    Class c = own;
    if (!is_lower_bound(n, own)) {
      if (++c.second == kSecond) {
        c.second = 0;
        ++c.first;
      }
    }
    const uint32_t here = second_[c.first] & (~0u << c.second);
    if (here != 0) return heads_[c.first][std::countr_zero(here)];
    const uint64_t above = first_ & (~uint64_t{0} << (c.first + 1));
    if (above == 0) return nullptr;
    const int f = std::countr_zero(above);
    return heads_[f][std::countr_zero(second_[f])];
  }

 private:
  static constexpr int kFirst = 60;
  static constexpr int kSecond = 16;
  struct Class {
    int first;
    int second;
  };
  static uint64_t units(const T* block) { return Links::capacity(block) / kGranule; }
  // Sizes below 16 units have a class each, larger powers of two are cut into 16.
  static Class class_of(uint64_t n) {
    if (n < kSecond) return {0, static_cast<int>(n)};
    const auto log = static_cast<int>(std::bit_width(n)) - 1;
    return {log - 3, static_cast<int>(n >> (log - 4) & 15)};
  }
  // Is n the smallest size of its class?
  static bool is_lower_bound(uint64_t n, Class c) {
    return c.first == 0 || (n & ((uint64_t{1} << (c.first - 1)) - 1)) == 0;
  }

  uint64_t first_ = 0;
  std::array<uint16_t, kFirst> second_{};
  std::array<std::array<T*, kSecond>, kFirst> heads_{};
};

}  // namespace nxv::vulkan
