#include "testing/random/random_call.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "library/registry.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

using Visit = std::function<void(const Node&)>;

void each_node(const Node& node, std::set<const Node*>& seen, const Visit& visit) {
  if (!seen.insert(&node).second) return;
  visit(node);
  for (const NodeRef& input : node.inputs) each_node(*input, seen, visit);
}

void each_node(const RandomCall& call, const Visit& visit) {
  std::set<const Node*> seen;
  for (const NodeRef& result : call.results) each_node(*result, seen, visit);
}

TEST(RandomCall, DrawsEveryOperationRankAndType) {
  std::set<std::string> calls;
  std::map<DType, std::set<std::string>> types;
  std::set<size_t> ranks;
  std::set<Op> ops;
  int mixed = 0;
  for (uint64_t seed = 0; seed < 6000; ++seed) {
    const RandomCall call = random_call(host_graveyard(), seed);
    calls.insert(call.name);
    std::set<DType> operands;
    each_node(call, [&](const Node& n) {
      ops.insert(n.op);
      if (n.op != Op::data) return;
      ranks.insert(n.shape.size());
      types[n.dtype].insert(call.name);
      operands.insert(n.dtype);
    });
    mixed += operands.size() > 1;
  }
  const std::vector<std::string> names = random_call_names();
  for (const library::Row& row : library::rows()) {
    EXPECT_NE(std::find(names.begin(), names.end(), row.name), names.end())
        << row.name << " cannot be drawn";
  }
  for (const std::string& name : names) EXPECT_TRUE(calls.count(name)) << name << " is never drawn";
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    const Fusion fusion = info(op).fusion;
    if (fusion == Fusion::control || fusion == Fusion::result) continue;
    const bool is_of_functions = op == Op::parameter || op == Op::argument || op == Op::last_slot;
    if (is_of_functions) continue;
    EXPECT_TRUE(ops.count(op)) << name(op) << " is in no call";
  }
  for (size_t rank = 0; rank <= 6; ++rank) EXPECT_TRUE(ranks.count(rank)) << "rank " << rank;
  for (int i = 0; i < kDTypeCount; ++i) {
    const DType type = static_cast<DType>(i);
    EXPECT_GE(types[type].size(), 20u) << "few operations have operands of " << name(type);
  }
  EXPECT_GT(mixed, 500);
}

TEST(RandomCall, IsTheSameForEveryOwner) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::vector<std::vector<std::byte>> data[2];
    for (auto& list : data) {
      each_node(random_call(host_graveyard(), seed), [&](const Node& n) {
        if (n.host_data) list.push_back(*n.host_data);
      });
    }
    EXPECT_EQ(data[0], data[1]) << seed;
  }
}

// What the library composes has no more precision than operands or results ask for: devices without
// f64 can compute it.
TEST(RandomCall, TheLibraryMakesNoF64) {
  const auto is_wide = [](DType t) { return to_real(t) == DType::f64; };
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    const RandomCall call = random_call(host_graveyard(), seed);
    if (call.name.rfind("op ", 0) == 0) continue;
    bool asked = false, made = false;
    for (const NodeRef& result : call.results) asked |= is_wide(result->dtype);
    each_node(call, [&](const Node& n) { (n.op == Op::data ? asked : made) |= is_wide(n.dtype); });
    EXPECT_TRUE(asked || !made) << call.name << ", seed " << seed;
  }
}

}  // namespace
}  // namespace nxv
