#include "bench_peers.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace nxv::tools {
namespace {

nlohmann::json result(const char* name, const char* size, double microseconds, bool ok = true) {
  return {{"name", name}, {"size", size}, {"microseconds", microseconds}, {"ok", ok}};
}

nlohmann::json bench(std::initializer_list<nlohmann::json> results) {
  return {{"device", "a device"}, {"driver", "1.2"}, {"results", nlohmann::json::array_t(results)}};
}

std::string line(const char* peer, const char* name, const char* size, double microseconds) {
  return nlohmann::json(
             {{"peer", peer}, {"name", name}, {"size", size}, {"microseconds", microseconds}})
             .dump() +
         '\n';
}

const std::string kTorch = line("torch", "add", "64", 80) + line("torch", "exp", "64", 10) +
                           R"({"peer": "torch", "name": "sum", "size": "64", "failure": "?"})";
const std::string kJax = "\n" + line("jax", "add", "64", 50) + line("jax", "add", "128", 7);

TEST(BenchPeers, TheRatioIsToTheBest) {
  nlohmann::json copy = result("copy", "64", 40);
  copy["share_of_copy"] = 1.0;
  const auto ours = bench({copy, result("add", "64", 100), result("sum", "64", 5),
                           result("exp", "64", 5), result("sort", "64", 5, false)});
  const PeerTable table = beside_peers(ours, {kTorch, kJax});
  EXPECT_EQ(table.peers, (std::vector<std::string>{"torch", "jax"}));
  EXPECT_EQ(table.failed, std::vector<std::string>{"sort 64"});
  ASSERT_EQ(table.rows.size(), 4u);
  EXPECT_EQ(table.rows[0].share_of_copy, 1);
  EXPECT_EQ(table.rows[0].ratio(), 0);
  EXPECT_EQ(table.rows[1].peers, (std::vector<double>{80, 50}));
  EXPECT_EQ(table.rows[1].ratio(), 2);
  EXPECT_EQ(table.rows[2].ratio(), 0);
  EXPECT_EQ(table.rows[3].ratio(), 0.5);
}

TEST(BenchPeers, Tables) {
  const PeerTable table = beside_peers(bench({result("add", "64", 100)}), {kTorch, kJax});
  EXPECT_EQ(to_text(table, TableStyle::text),
            "a device, 1.2\n\n"
            "work  size     us  of copy  torch   jax  ratio\n"
            "add   64    100.0            80.0  50.0   2.00\n");
  EXPECT_EQ(to_text(table, TableStyle::markdown),
            "a device, 1.2\n\n"
            "| work | size |    us | of copy | torch |  jax | ratio |\n"
            "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
            "| add  | 64   | 100.0 |         |  80.0 | 50.0 |  2.00 |\n");
}

TEST(BenchPeers, APictureHasABarForEachRatio) {
  const std::string svg = to_svg(beside_peers(
      bench({result("add", "64", 100), result("exp", "64", 5), result("copy", "64", 5)}),
      {kTorch, kJax}));
  EXPECT_NE(svg.find(">add 64</text>\n<rect x=\"540.0\" y=\"50.0\" width=\"60.0\""),
            std::string::npos)
      << svg;
  EXPECT_NE(svg.find(">exp 64</text>\n<rect x=\"480.0\" y=\"66.0\" width=\"60.0\""),
            std::string::npos)
      << svg;
  EXPECT_EQ(svg.find("copy 64"), std::string::npos);
}

TEST(BenchPeers, OtherTextIsRefused) {
  const auto ours = bench({});
  const auto refused = [&](const std::string& peer) {
    EXPECT_THROW(beside_peers(ours, {peer}), Error) << peer;
  };
  refused("add 64 10\n");
  refused(R"({"name": "add", "size": "64", "microseconds": 1})");
  refused(line("torch", "add", "64", 0));
  refused(line("torch", "add", "64", 1) + line("torch", "add", "64", 2));
  EXPECT_THROW(beside_peers({{"results", "none"}}, {}), Error);
}

}  // namespace
}  // namespace nxv::tools
