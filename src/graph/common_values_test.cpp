#include "graph/common_values.h"

#include <gtest/gtest.h>

#include <unordered_set>

#include "graph/build.h"

namespace nxv {
namespace {

class CommonValuesTest : public testing::Test {
 protected:
  ~CommonValuesTest() override { yard_->close(); }
  NodeRef x() { return parameter(yard_, DType::f32, {4}); }
  NodeRef num(double v) { return constant(yard_, make_scalar(DType::f32, v), {}); }
  // Nodes at and below the values.
  static size_t count(const std::vector<NodeRef>& values) {
    std::unordered_set<const Node*> seen;
    std::vector<const Node*> stack;
    for (const NodeRef& v : values) stack.push_back(v.get());
    while (!stack.empty()) {
      const Node* node = stack.back();
      stack.pop_back();
      if (!seen.insert(node).second) continue;
      for (const NodeRef& input : node->inputs) stack.push_back(input.get());
    }
    return seen.size();
  }

  std::shared_ptr<Graveyard> yard_ = std::make_shared<Graveyard>();
};

TEST_F(CommonValuesTest, WhatIsComputedAlikeIsOneNode) {
  const NodeRef p = x();
  const auto wave = [&] {
    const NodeRef step = elementwise(Op::multiply, {iota(yard_, DType::f32, {4}, 0), num(0.5)});
    return elementwise(Op::sin, {elementwise(Op::multiply, {p, step})});
  };
  const NodeRef a = wave(), b = wave();
  const auto common = common_values(std::vector{a, elementwise(Op::exp, {b})});
  EXPECT_EQ(common[0].get(), a.get());
  EXPECT_EQ(common[1]->op, Op::exp);
  EXPECT_EQ(common[1]->inputs[0].get(), a.get());
}

TEST_F(CommonValuesTest, WhatDiffersInAnythingStays) {
  const NodeRef p = x(), q = x();
  const std::vector<NodeRef> different{
      elementwise(Op::add, {p, num(1)}),
      elementwise(Op::add, {p, num(2)}),
      elementwise(Op::add, {q, num(1)}),
      elementwise(Op::subtract, {p, num(1)}),
      cast(p, DType::f16),
      cast(p, DType::bf16),
      reduce(Op::sum, p, Axes{0}, false),
      reduce(Op::sum, p, Axes{0}, true),
      slice(p, std::vector<int64_t>{0}, std::vector<int64_t>{2}, std::vector<int64_t>{1}),
      slice(p, std::vector<int64_t>{1}, std::vector<int64_t>{2}, std::vector<int64_t>{1}),
      slice(p, std::vector<int64_t>{0}, std::vector<int64_t>{2}, std::vector<int64_t>{2}),
      iota(yard_, DType::f32, {4, 4}, 0),
      iota(yard_, DType::f32, {4, 4}, 1),
      random(yard_, Op::random_uniform, DType::f32, {4}, RandomAttr{1, 0, 0, 1}),
      random(yard_, Op::random_uniform, DType::f32, {4}, RandomAttr{2, 0, 0, 1}),
      random(yard_, Op::random_uniform, DType::f32, {4}, RandomAttr{1, 0, 0, 2})};
  const auto common = common_values(different);
  std::unordered_set<const Node*> nodes;
  for (size_t i = 0; i < different.size(); ++i) {
    EXPECT_EQ(common[i]->op, different[i]->op) << i;
    nodes.insert(common[i].get());
  }
  EXPECT_EQ(nodes.size(), different.size());
}

TEST_F(CommonValuesTest, TheSameGraphIfNothingIsComputedTwice) {
  const NodeRef p = x();
  const NodeRef y = elementwise(Op::add, {elementwise(Op::exp, {p}), p});
  EXPECT_EQ(common_values(std::vector{y, p})[0].get(), y.get());
}

TEST_F(CommonValuesTest, DeepGraphs) {
  const NodeRef p = x();
  NodeRef a = p, b = p;
  for (int i = 0; i < 20000; ++i) {
    a = elementwise(Op::add, {a, p});
    b = elementwise(Op::add, {b, p});
  }
  const auto common = common_values(std::vector{a, b});
  EXPECT_EQ(common[0].get(), common[1].get());
  EXPECT_EQ(count(common), 20001u);
}

}  // namespace
}  // namespace nxv
