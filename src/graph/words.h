// Words: the 32-bit run-time parameters of kernels, declared once for the host that fills them and
// for the kernel that reads them.
//
// A record is a plain struct of words and divisors. The host appends records to a list of words; a
// kernel reads a record's members by name from where it was appended
// (kernels/common/word_values.h).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace nxv {

// Index of the first of a run of words.
using WordIndex = uint32_t;

// A size, stride or offset as a word, negative ones as they wrap. Throws Error(unsupported) where a
// kernel has no such number.
[[noreturn]] inline void throw_too_large(const std::string& number) {
  throw Error(Status::unsupported, number + " is more than one kernel can index (2^31)");
}
inline uint32_t word(int64_t v) {
  if (v < -(int64_t{1} << 31) || v >= int64_t{1} << 31) throw_too_large(std::to_string(v));
  return static_cast<uint32_t>(v);
}

// Elements that are a multiple of this apart lie as addresses that are.
inline constexpr int64_t kOffsetUnit = 64;
// An offset as a word. Of one that is too large for words only what tells how elements are aligned:
// the address that the kernel is given has the rest (kernels/large.h).
inline uint32_t offset_word(int64_t v) {
  return v < int64_t{1} << 31 ? word(v) : static_cast<uint32_t>(v % kOffsetUnit);
}

// What divides by a run-time number without a division: n / d = (mul_hi(n, multiplier) + n) >>
// shift for n < 2^31 (Granlund & Montgomery, "Division by invariant integers using
// multiplication").
struct Divisor {
  uint32_t divisor = 1, multiplier = 0, shift = 0;
  Divisor() = default;
  // 1 <= d < 2^31, else throws as `word` does.
  explicit Divisor(uint64_t d)
      : divisor(static_cast<uint32_t>(d)), shift(static_cast<uint32_t>(std::bit_width(d - 1))) {
    if (d < 1 || d >= uint64_t{1} << 31) throw_too_large(std::to_string(d));
    multiplier =
        static_cast<uint32_t>(((uint64_t{1} << 32) * ((uint64_t{1} << shift) - d)) / d + 1);
  }
};

// A number of a kernel's arithmetic, as the bits of an f32.
struct RealWord {
  uint32_t bits = 0;
  RealWord() = default;
  explicit RealWord(double v) : bits(std::bit_cast<uint32_t>(static_cast<float>(v))) {}
};

// A number of arithmetic that is in f64 or in f32: the bits of either.
struct WideRealWord {
  uint32_t low = 0, high = 0;
  WideRealWord() = default;
  WideRealWord(double v, bool is_f64) : low(RealWord(v).bits) {
    if (!is_f64) return;
    const auto bits = std::bit_cast<uint64_t>(v);
    low = static_cast<uint32_t>(bits);
    high = static_cast<uint32_t>(bits >> 32);
  }
};

template <typename R>
concept WordRecord = std::is_empty_v<R> ||
    (std::is_trivially_copyable_v<R>&& std::is_standard_layout_v<R> &&
     alignof(R) == alignof(uint32_t) && sizeof(R) % sizeof(uint32_t) == 0);

struct NoWords {};
template <typename R>
inline constexpr uint32_t kWordsOf = std::is_empty_v<R> ? 0 : sizeof(R) / sizeof(uint32_t);

// Where a member's words begin in its record.
template <WordRecord R, typename Member>
uint32_t word_offset(Member R::*member) {
  static const R record{};
  const auto* const start = reinterpret_cast<const std::byte*>(&record);
  return static_cast<uint32_t>((reinterpret_cast<const std::byte*>(&(record.*member)) - start) /
                               sizeof(uint32_t));
}

template <WordRecord R>
void append(std::vector<uint32_t>& words, const R& record) {
  if constexpr (!std::is_empty_v<R>) {
    const auto list = std::bit_cast<std::array<uint32_t, kWordsOf<R>>>(record);
    words.insert(words.end(), list.begin(), list.end());
  }
}

// The record that was appended at a word.
template <WordRecord R>
R record_at(std::span<const uint32_t> words, WordIndex at) {
  std::array<uint32_t, kWordsOf<R>> list = {};
  std::copy_n(words.begin() + at, list.size(), list.begin());
  return std::bit_cast<R>(list);
}

}  // namespace nxv
