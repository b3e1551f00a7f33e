#include "base/checked.h"

#include <gtest/gtest.h>

#include <vector>

namespace nxv {
namespace {

// Sums and products of 64-bit numbers in 96 bits and a sign, without the operations under test.
struct Wide {
  bool is_negative;
  uint64_t high, low;
};

uint64_t magnitude(int64_t v) { return v < 0 ? ~static_cast<uint64_t>(v) + 1 : v; }

Wide product(int64_t a, int64_t b) {
  const uint64_t x = magnitude(a), y = magnitude(b), mask = 0xffffffff;
  const uint64_t low = (x & mask) * (y & mask), mid1 = (x >> 32) * (y & mask);
  const uint64_t mid2 = (x & mask) * (y >> 32), carry = (low >> 32) + (mid1 & mask) + (mid2 & mask);
  return {(a < 0) != (b < 0), (x >> 32) * (y >> 32) + (mid1 >> 32) + (mid2 >> 32) + (carry >> 32),
          carry << 32 | (low & mask)};
}

Wide sum(int64_t a, int64_t b) {
  const uint64_t x = magnitude(a), y = magnitude(b);
  if ((a < 0) == (b < 0)) return {a < 0, x + y < x ? uint64_t{1} : 0, x + y};
  return x >= y ? Wide{a < 0, 0, x - y} : Wide{b < 0, 0, y - x};
}

void expect_same(Checked got, const Wide& wide, const char* what) {
  const uint64_t most = (uint64_t{1} << 63) - (wide.is_negative ? 0 : 1);
  const bool fits = wide.high == 0 && wide.low <= most;
  ASSERT_EQ(got.fits(), fits) << what;
  if (!fits) return;
  EXPECT_EQ(magnitude(got.value()), wide.low) << what;
  EXPECT_EQ(got.value() < 0, wide.is_negative && wide.low != 0) << what;
}

TEST(Checked, AgreesWithWiderArithmeticAroundEveryEdge) {
  std::vector<int64_t> numbers;
  for (const int power : {0, 1, 15, 16, 31, 32, 33, 47, 48, 62, 63}) {
    for (const uint64_t off : {uint64_t{0}, uint64_t{1}, uint64_t{2}, ~uint64_t{0}}) {
      const uint64_t v = (uint64_t{1} << power) + off;
      numbers.push_back(static_cast<int64_t>(v));
      numbers.push_back(static_cast<int64_t>(~v + 1));
    }
  }
  for (const int64_t a : numbers) {
    for (const int64_t b : numbers) {
      const std::string what = std::to_string(a) + " and " + std::to_string(b);
      expect_same(Checked(a) + b, sum(a, b), what.c_str());
      expect_same(Checked(a) * b, product(a, b), what.c_str());
      if (b != std::numeric_limits<int64_t>::min()) {
        expect_same(Checked(a) - b, sum(a, -b), what.c_str());
      }
    }
  }
}

TEST(Checked, WhatDoesNotFitStaysSo) {
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  const Checked none = Checked(most) + 1;
  EXPECT_FALSE((none - 1).fits());
  EXPECT_FALSE((none * 0).fits());
  EXPECT_FALSE(none == none);
  EXPECT_EQ(none.value_or(7), 7);
  EXPECT_THROW(none.value(), Error);
  EXPECT_TRUE(Checked(-most) - 1 == std::numeric_limits<int64_t>::min());
}

}  // namespace
}  // namespace nxv
