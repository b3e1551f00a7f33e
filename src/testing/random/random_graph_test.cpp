#include "testing/random/random_graph.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "testing/reference/reference.h"

namespace nxv {
namespace {

std::vector<DType> all_types() {
  std::vector<DType> types;
  for (int i = 0; i < kDTypeCount; ++i) types.push_back(static_cast<DType>(i));
  return types;
}

void collect(const NodeRef& root, std::set<const Node*>& nodes) {
  if (!nodes.insert(root.get()).second) return;
  for (const NodeRef& input : root->inputs) collect(input, nodes);
}

uint64_t hash(const std::vector<HostTensor>& tensors) {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a
  for (const HostTensor& t : tensors) {
    for (std::byte b : t.bytes) h = (h ^ std::to_integer<uint64_t>(b)) * 0x100000001b3;
  }
  return h;
}

TEST(RandomGraph, NothingRaises) {
  RandomGraphOptions options;
  options.dtypes = all_types();
  options.max_elements = 600;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const auto owner = host_graveyard();
    const auto roots = random_graph(owner, seed, options);
    ASSERT_FALSE(roots.empty());
    EXPECT_LE(static_cast<int>(roots.size()), options.max_roots);
    std::vector<HostTensor> values;
    ASSERT_NO_THROW(values = reference_evaluate(roots)) << seed;
    for (size_t i = 0; i < roots.size(); ++i) {
      EXPECT_EQ(values[i].shape, roots[i]->shape);
      EXPECT_EQ(values[i].dtype, roots[i]->dtype);
      EXPECT_LE(values[i].count(), options.max_elements);
    }
  }
}

TEST(RandomGraph, ReachesTheWholeTable) {
  RandomGraphOptions options;
  options.dtypes = all_types();
  options.max_elements = 100;
  std::map<Op, int> seen;
  int shared = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    const auto owner = host_graveyard();
    std::set<const Node*> nodes;
    const auto roots = random_graph(owner, seed, options);
    for (const NodeRef& root : roots) collect(root, nodes);
    for (const Node* n : nodes) {
      ++seen[n->op];
      shared += n->references() > 2 && !n->inputs.empty();
    }
  }
  for (int i = 0; i < kOpCount; ++i) {
    const Op op = static_cast<Op>(i);
    // Calls of the library are drawn elsewhere (random_call.h).
    const Fusion fusion = info(op).fusion;
    const bool calls = fusion == Fusion::control || fusion == Fusion::result;
    const bool is_given = op == Op::parameter || op == Op::argument;
    if (is_given || fusion == Fusion::library || calls) continue;
    EXPECT_GT(seen[op], 0) << name(op);
  }
  EXPECT_GT(shared, 100);
}

TEST(RandomGraph, KeepsToTheOptions) {
  RandomGraphOptions options;
  options.dtypes = {DType::f32};
  options.ops = {Op::add, Op::multiply, Op::transpose, Op::sum};
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto owner = host_graveyard();
    std::set<const Node*> nodes;
    const auto roots = random_graph(owner, seed, options);
    for (const NodeRef& root : roots) collect(root, nodes);
    for (const Node* n : nodes) {
      EXPECT_EQ(n->dtype, DType::f32);
      // Broadcasts come with operands of different shapes; of unit axes they are reshapes.
      const bool expected =
          n->op == Op::data || n->op == Op::broadcast || n->op == Op::reshape ||
          std::find(options.ops.begin(), options.ops.end(), n->op) != options.ops.end();
      EXPECT_TRUE(expected) << name(n->op);
    }
  }
}

// Integers only: the hash is the same wherever the graph is.
TEST(RandomGraph, IsTheSameEverywhere) {
  RandomGraphOptions options;
  options.dtypes = {DType::s32, DType::u8, DType::s64};
  options.ops = {Op::add,       Op::multiply, Op::quotient, Op::left_shift, Op::select,
                 Op::transpose, Op::pad,      Op::slice,    Op::sum,        Op::reduce_max,
                 Op::dot,       Op::iota,     Op::reshape,  Op::concatenate};
  const auto owner = host_graveyard();
  const auto first = reference_evaluate(random_graph(owner, 7, options));
  EXPECT_EQ(hash(first), hash(reference_evaluate(random_graph(owner, 7, options))));
  EXPECT_EQ(hash(first), 0xcfa6e3713dff83e2U);
}

}  // namespace
}  // namespace nxv
