#include "bench_comparison.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace nxv::tools {
namespace {

using Labels = std::vector<std::string>;

nlohmann::json result(const char* name, const char* size, double microseconds, bool ok = true) {
  return {{"name", name}, {"size", size}, {"microseconds", microseconds}, {"ok", ok}};
}

nlohmann::json bench(std::initializer_list<nlohmann::json> results) {
  return {{"device", "a device"}, {"results", nlohmann::json::array_t(results)}};
}

TEST(BenchComparison, RowsAreOrderedByRatio) {
  const auto before = bench({result("add", "64", 100), result("exp", "64", 100),
                             result("exp", "128", 100), result("sum", "64", 10)});
  const auto after = bench({result("exp", "64", 50), result("add", "64", 103),
                            result("sum", "64", 20), result("exp", "128", 106)});
  const BenchComparison found = compare_benches(before, after, 5);
  ASSERT_EQ(found.rows.size(), 4u);
  Labels order;
  for (const auto& r : found.rows) order.push_back(r.name + r.size + (r.is_slower ? " slow" : ""));
  EXPECT_EQ(order, (Labels{"sum64 slow", "exp128 slow", "add64", "exp64"}));
  EXPECT_EQ(found.rows[0].before, 10);
  EXPECT_EQ(found.rows[0].after, 20);
  EXPECT_EQ(found.rows[0].ratio, 2);
  EXPECT_TRUE(found.is_worse());
}

TEST(BenchComparison, TheThresholdDecidesWhatIsSlower) {
  const auto before = bench({result("add", "64", 100)}), after = bench({result("add", "64", 120)});
  EXPECT_TRUE(compare_benches(before, after, 19).is_worse());
  EXPECT_FALSE(compare_benches(before, after, 21).is_worse());
  EXPECT_FALSE(compare_benches(before, before, 0).is_worse());
  EXPECT_FALSE(compare_benches(after, before, 0).is_worse());
}

TEST(BenchComparison, WhatOneSideLacksIsNamed) {
  const auto before = bench({result("add", "64", 1), result("old", "", 1)});
  const auto after = bench({result("add", "128", 1), result("new", "8x8", 1)});
  const BenchComparison found = compare_benches(before, after, 5);
  EXPECT_TRUE(found.rows.empty());
  EXPECT_EQ(found.only_before, (Labels{"add 64", "old"}));
  EXPECT_EQ(found.only_after, (Labels{"add 128", "new 8x8"}));
  EXPECT_FALSE(found.is_worse());
}

TEST(BenchComparison, AWrongResultHasNoTime) {
  const auto right = bench({result("add", "64", 100)});
  const auto wrong = bench({result("add", "64", 10, false)});
  const BenchComparison broken = compare_benches(right, wrong, 5);
  EXPECT_TRUE(broken.rows.empty());
  EXPECT_EQ(broken.only_before, Labels{"add 64"});
  EXPECT_EQ(broken.failed_after, Labels{"add 64"});
  EXPECT_TRUE(broken.is_worse());
  const BenchComparison mended = compare_benches(wrong, right, 5);
  EXPECT_EQ(mended.failed_before, Labels{"add 64"});
  EXPECT_EQ(mended.only_after, Labels{"add 64"});
  EXPECT_FALSE(mended.is_worse());
}

TEST(BenchComparison, OtherFilesAreRefused) {
  const auto good = bench({});
  const auto refused = [&](const nlohmann::json& bad) {
    EXPECT_THROW(compare_benches(good, bad, 5), Error) << bad;
    EXPECT_THROW(compare_benches(bad, good, 5), Error) << bad;
  };
  refused(nlohmann::json::array());
  refused({{"device", "a device"}});
  refused({{"results", "none"}});
  refused(bench({{{"name", "add"}}}));
  refused(bench({{{"name", 1}, {"size", ""}, {"microseconds", 1}, {"ok", true}}}));
  refused(bench({result("add", "64", 1), result("add", "64", 2)}));
}

TEST(BenchComparison, TextMarksAndCounts) {
  const auto before = bench({result("add", "64", 100), result("exp", "64", 8)});
  const auto after = bench({result("add", "64", 250), result("sum", "8", 8)});
  EXPECT_EQ(to_text(compare_benches(before, after, 5)),
            "                               size    us before     us after   ratio\n"
            "add                              64        100.0        250.0    2.50  SLOWER\n"
            "only before: exp 64\n"
            "only after: sum 8\n"
            "1 compared, 1 slower\n");
}

}  // namespace
}  // namespace nxv::tools
