#include "runtime/block_layout.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "vulkan/memory.h"

namespace nxv::runtime {
namespace {

using Lifetimes = std::vector<Lifetime>;

uint64_t aligned(uint64_t bytes) {
  return (bytes + vulkan::kBlockAlignment - 1) / vulkan::kBlockAlignment * vulkan::kBlockAlignment;
}

// The most bytes at any step.
uint64_t peak(const Lifetimes& items, const std::vector<PlannedBlock>& blocks, int end) {
  uint64_t most = 0;
  size_t block = 0;
  for (int step = 0; step < end; ++step) {
    while (block + 1 < blocks.size() && blocks[block + 1].first <= step) ++block;
    uint64_t bytes = blocks.empty() ? 0 : blocks[block].bytes;
    for (const Lifetime& l : items) {
      const bool has_own = l.is_apart && l.first <= step && step <= l.last;
      if (has_own) bytes += aligned(l.bytes);
    }
    most = std::max(most, bytes);
  }
  return most;
}

// As if each had memory of its own.
uint64_t needed(Lifetimes items, int end) {
  for (Lifetime& l : items) l.is_apart = true;
  return peak(items, {}, end);
}

size_t block_of(const std::vector<PlannedBlock>& blocks, int step) {
  size_t b = 0;
  while (b + 1 < blocks.size() && blocks[b + 1].first <= step) ++b;
  return b;
}

std::string fault(const Lifetimes& items, const std::vector<PlannedBlock>& blocks) {
  for (const Lifetime& a : items) {
    if (a.is_apart) continue;
    const size_t block = block_of(blocks, a.first);
    if (block != block_of(blocks, a.last)) return "outlives its block";
    if (a.offset % vulkan::kBlockAlignment != 0) return "is not aligned";
    if (a.offset + vulkan::padded(a.bytes) > blocks[block].bytes) return "does not fit";
    for (const Lifetime& b : items) {
      if (&a == &b || b.is_apart || b.last < a.first || a.last < b.first) continue;
      if (a.offset < b.offset + vulkan::padded(b.bytes) &&
          b.offset < a.offset + vulkan::padded(a.bytes)) {
        return "overlaps another";
      }
    }
  }
  return "";
}

TEST(BlockLayout, ChainsTakeTurns) {
  Lifetimes items;
  for (int i = 0; i < 20; ++i) items.push_back({1024, i, i + 1, false, 0});
  const auto blocks = lay_out(items, {0}, 21, ~uint64_t{0});
  ASSERT_EQ(blocks.size(), 1U);
  EXPECT_EQ(blocks[0].bytes, 2048U);
  EXPECT_EQ(fault(items, blocks), "");
  EXPECT_EQ(std::count_if(items.begin(), items.end(), [](const Lifetime& l) { return l.is_apart; }),
            0);
}

// Much in the beginning, a large result in the end.
TEST(BlockLayout, IsGivenUpWhereItWouldBeHeldInVain) {
  Lifetimes items{{64 << 10, 0, 2, false, 0},
                  {64 << 10, 1, 3, false, 0},
                  {128, 3, 5, false, 0},
                  {128, 4, 6, false, 0},
                  {100 << 10, 5, 6, true, 0}};
  const auto blocks = lay_out(items, {0}, 7, ~uint64_t{0});
  EXPECT_EQ(fault(items, blocks), "");
  EXPECT_GT(blocks.size(), 1U);
  EXPECT_FALSE(items[0].is_apart);
  EXPECT_LE(peak(items, blocks, 7), needed(items, 7) + needed(items, 7) / 32);
}

TEST(BlockLayout, ThatEndsAtABoundaryHoldsNothingThatLivesThroughIt) {
  Lifetimes items{{256, 0, 1, false, 0},
                  {256, 1, 2, false, 0},
                  {256, 1, 4, false, 0},
                  {256, 3, 4, false, 0},
                  {256, 4, 5, false, 0}};
  const auto blocks = lay_out(items, {0, 3}, 6, ~uint64_t{0});
  EXPECT_EQ(fault(items, blocks), "");
  EXPECT_TRUE(items[2].is_apart);
  EXPECT_FALSE(items[0].is_apart);
  EXPECT_FALSE(items[4].is_apart);
}

TEST(BlockLayout, NeverOverlapsAndTakesLittleMore) {
  std::mt19937 random(3);
  const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 300; ++round) {
    const int end = 1 + below(60);
    std::vector<int> boundaries{0};
    for (int s = 1; s < end; ++s) {
      if (below(20) == 0) boundaries.push_back(s);
    }
    Lifetimes items;
    for (int n = below(100); n > 0; --n) {
      const int first = below(end);
      const int last = std::min(end - 1, first + below(below(5) == 0 ? 40 : 4));
      items.push_back(
          {static_cast<uint64_t>(1 + below(1 << below(16))), first, last, below(8) == 0, 0});
    }
    const uint64_t most = below(3) == 0 ? 4096 : ~uint64_t{0};
    const uint64_t least = needed(items, end);
    const auto blocks = lay_out(items, boundaries, end, most);
    EXPECT_EQ(fault(items, blocks), "") << round;
    EXPECT_LE(peak(items, blocks, end), least + least / 32) << round;
    for (const PlannedBlock& b : blocks) EXPECT_LE(b.bytes, most);
  }
}

}  // namespace
}  // namespace nxv::runtime
