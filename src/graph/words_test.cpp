#include "graph/words.h"

#include <gtest/gtest.h>

#include <random>

#include "graph/region_words.h"
#include "graph/scalar_words.h"

namespace nxv {
namespace {

uint32_t divided(uint32_t n, const Divisor& d) {
  const auto high = static_cast<uint32_t>(uint64_t{n} * d.multiplier >> 32);
  return (high + n) >> d.shift;
}

TEST(Words, DivisorsDivide) {
  std::mt19937 random(1);
  std::vector<uint32_t> divisors = {1,     2,     3,     5,          7,         641,
                                    65535, 65536, 65537, 0x7ffffffe, 0x7fffffff};
  for (int i = 0; i < 20000; ++i) divisors.push_back((random() >> (1 + random() % 30)) | 1);
  for (int shift = 0; shift < 31; ++shift) divisors.push_back(1u << shift);
  for (const uint32_t d : divisors) {
    const Divisor divisor(d);
    EXPECT_EQ(divisor.divisor, d);
    std::vector<uint32_t> numbers = {0, 1, d - 1, d, 0x7fffffff, 0x7fffffff / d * d};
    numbers.push_back((numbers.back() - 1) & 0x7fffffff);
    for (int i = 0; i < 16; ++i) numbers.push_back(random() >> 1);
    for (const uint32_t n : numbers) ASSERT_EQ(divided(n, divisor), n / d) << n << " / " << d;
  }
}

// The numbers as figure 4.1 of Granlund and Montgomery defines them.
TEST(Words, DivisorsAreThoseOfTheSource) {
  for (uint64_t d = 1; d < (uint64_t{1} << 31); d += d / 1000 + 1) {
    uint32_t shift = 0;
    while ((uint64_t{1} << shift) < d) ++shift;
    const uint64_t multiplier = ((((uint64_t{1} << shift) - d) << 32) / d) + 1;
    const Divisor divisor(d);
    ASSERT_EQ(divisor.shift, shift) << d;
    ASSERT_EQ(divisor.multiplier, static_cast<uint32_t>(multiplier)) << d;
  }
}

struct Record {
  uint32_t first = 1;
  Divisor divisor{3};
  RealWord real{0.5};
  WideRealWord wide{0.25, true};
  uint32_t last = 2;
};

TEST(Words, RecordsLieInTheOrderOfTheirMembers) {
  EXPECT_EQ(kWordsOf<Record>, 8u);
  EXPECT_EQ(kWordsOf<NoWords>, 0u);
  EXPECT_EQ(word_offset(&Record::first), 0u);
  EXPECT_EQ(word_offset(&Record::divisor), 1u);
  EXPECT_EQ(word_offset(&Record::real), 4u);
  EXPECT_EQ(word_offset(&Record::wide), 5u);
  EXPECT_EQ(word_offset(&Record::last), 7u);
  std::vector<uint32_t> words = {9};
  append(words, Record{});
  append(words, NoWords{});
  const Divisor three(3);
  EXPECT_EQ(words, (std::vector<uint32_t>{9, 1, 3, three.multiplier, three.shift, 0x3f000000, 0,
                                          0x3fd00000, 2}));
  EXPECT_EQ(WideRealWord(0.25, false).low, 0x3e800000u);
}

TEST(Words, ScalarsAsArithmeticSeesThem) {
  const auto words = [](const Scalar& s) {
    std::vector<uint32_t> list;
    append(list, s);
    return list;
  };
  using List = std::vector<uint32_t>;
  EXPECT_EQ(words(make_scalar(DType::s8, int64_t{-2})), (List{0xfffffffe}));
  EXPECT_EQ(words(make_scalar(DType::u64, uint64_t{1} << 40)), (List{0, 256}));
  EXPECT_EQ(words(make_scalar(DType::f16, 0.5)), (List{0x3f000000}));
  EXPECT_EQ(words(make_scalar(DType::f64, 0.5)), (List{0, 0x3fe00000}));
  EXPECT_EQ(words(make_scalar(DType::c64, std::complex<double>(1, -1))),
            (List{0x3f800000, 0xbf800000}));
  EXPECT_EQ(words(make_scalar(DType::c128, std::complex<double>(0.5, 2))),
            (List{0, 0x3fe00000, 0, 0x40000000}));
}

}  // namespace
}  // namespace nxv
