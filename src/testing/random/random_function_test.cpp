#include "testing/random/random_function.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace nxv {
namespace {

// Of a graph and of the functions in it, with how deep they are nested.
struct Census {
  std::map<Op, int> nodes;
  int deepest = 0;

  void count(const NodeRef& node, int depth) {
    if (!seen.insert(node.get()).second) return;
    ++nodes[node->op];
    deepest = std::max(deepest, depth);
    for (const NodeRef& input : node->inputs) count(input, depth);
    if (info(node->op).fusion != Fusion::control) return;
    for (const FunctionRef& f : node->attribute<ControlAttr>().functions) {
      for (const NodeRef& result : f->results) count(result, depth + 1);
    }
  }

 private:
  std::set<const Node*> seen;
};

TEST(RandomFunction, NestsLoopsAndBranchesAndRaisesNothing) {
  Census census;
  std::vector<RandomFunction> functions;  // the census knows nodes by their addresses
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto drawn = random_function(host_graveyard(), seed, random_function_options(seed));
    for (const NodeRef& result : drawn.function->results) census.count(result, 0);
    std::vector<HostTensor> values;
    ASSERT_NO_THROW(values = reference_call(*drawn.function, drawn.arguments)) << seed;
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(values[i].dtype, drawn.function->results[i]->dtype);
      EXPECT_EQ(values[i].shape, drawn.function->results[i]->shape);
    }
    functions.push_back(drawn);
  }
  EXPECT_GT(census.nodes[Op::loop], 50);
  EXPECT_GT(census.nodes[Op::branch], 25);
  EXPECT_GT(census.nodes[Op::overwrite], 25);
  EXPECT_GT(census.nodes[Op::last_slot], 5);
  EXPECT_EQ(census.deepest, 2);
}

}  // namespace
}  // namespace nxv
