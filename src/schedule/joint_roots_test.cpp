// What becomes one region with several roots, and what does not.
#include "schedule/joint_roots.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "schedule/fixture_test.h"
#include "schedule/part_graph.h"
#include "schedule/schedule.h"

namespace nxv::schedule {
namespace {

class JointRoots : public Graphs {
 protected:
  static NodeRef mul(const NodeRef& a, const NodeRef& b) {
    return elementwise(Op::multiply, {a, b});
  }
  static NodeRef sum(const NodeRef& x, int64_t axis = -1, bool keep = false) {
    return reduce(Op::sum, x, Axes{axis}, keep);
  }

  static std::vector<Item> steps(std::vector<NodeRef> asked_for, const Options& options = {}) {
    std::vector<Node*> roots;
    for (const NodeRef& n : asked_for) roots.push_back(n.get());
    std::vector<Item> list = make_schedule(roots, options);
    expect_order(list, roots);
    return list;
  }
  // How many roots each step has.
  static std::vector<size_t> roots(const std::vector<NodeRef>& asked_for) {
    std::vector<size_t> counts;
    for (const Item& s : steps(asked_for)) counts.push_back(s.is_alias ? 1 : s.region.roots.size());
    return counts;
  }

 private:
  // Each finds its operands stored; all that was asked for is stored, and once.
  static void expect_order(const std::vector<Item>& list, const std::vector<Node*>& roots) {
    std::set<const Node*> stored;
    const auto expect_stored = [&](const Node* n) {
      EXPECT_TRUE(n->op == Op::data || !n->is_pending() || stored.count(n) == 1);
    };
    for (const Item& s : list) {
      if (s.is_alias) {
        expect_stored(s.alias.source.get());
        stored.insert(s.alias.node.get());
        continue;
      }
      for (const Operand& o : s.region.operands) expect_stored(o.node.get());
      for (const Root& r : s.region.roots) EXPECT_TRUE(stored.insert(r.node.get()).second);
      if (s.region.roots.size() == 1) continue;
      EXPECT_LE(s.region.roots.size() + s.region.operands.size(), size_t{kMaxRegionBuffers});
    }
    for (const Node* n : roots) expect_stored(n);
  }
};

using Counts = std::vector<size_t>;

TEST_F(JointRoots, StepOfAnOptimizerIsOneKernel) {
  const NodeRef p = data({30, 40}), g = data({30, 40});
  const NodeRef momentum = add(mul(data({30, 40}), number(0.9)), g);
  EXPECT_EQ(roots({elementwise(Op::subtract, {p, mul(momentum, number(0.1))}), momentum}),
            Counts{2});

  // Adam
  const NodeRef m = add(mul(data({30, 40}), number(0.9)), mul(g, number(0.1)));
  const NodeRef v = add(mul(data({30, 40}), number(0.999)), mul(mul(g, g), number(0.001)));
  const NodeRef step = elementwise(
      Op::divide, {mul(m, number(1e-3)), add(elementwise(Op::sqrt, {v}), number(1e-8))});
  EXPECT_EQ(roots({elementwise(Op::subtract, {p, step}), m, v}), Counts{3});
}

TEST_F(JointRoots, ValueThatIsKeptJoinsItsReader) {
  const NodeRef x = mul(data({100}), data({100}));
  const NodeRef relu = elementwise(Op::max, {x, number(0)});
  const auto list = steps({relu, x});
  ASSERT_EQ(list.size(), 1u);
  const Region& r = list[0].region;
  ASSERT_EQ(r.roots.size(), 2u);
  EXPECT_EQ(r.roots[0].node.get(), x.get());
  EXPECT_EQ(r.roots[1].node.get(), relu.get());
  EXPECT_EQ(r.operands.size(), 2u);
  EXPECT_EQ(r.root.get(), x.get());
}

TEST_F(JointRoots, RegionsThatReadTheSameOperandJoin) {
  const NodeRef x = data({100}), y = data({100});
  EXPECT_EQ(roots({elementwise(Op::sin, {x}), elementwise(Op::cos, {x})}), Counts{2});
  EXPECT_EQ(roots({elementwise(Op::sin, {x}), elementwise(Op::cos, {y})}), (Counts{1, 1}));
  // A scalar that both read is no reason.
  const NodeRef s = data({});
  EXPECT_EQ(roots({mul(x, s), mul(y, s)}), (Counts{1, 1}));
  // Other points.
  EXPECT_EQ(roots({elementwise(Op::sin, {x}), transpose(reshape(x, {10, 10}), {1, 0})}),
            (Counts{1, 1}));
}

// What only they read is not stored any more.
TEST_F(JointRoots, SharedValueOfJointReadersStaysInside) {
  const NodeRef dear = elementwise(Op::exp, {data({50})});
  const NodeRef a = elementwise(Op::sin, {dear}), b = elementwise(Op::cos, {dear});
  const auto list = steps({a, b});
  ASSERT_EQ(list.size(), 1u);
  ASSERT_EQ(list[0].region.roots.size(), 2u);
  EXPECT_EQ(list[0].region.roots[0].node.get(), a.get());
  EXPECT_EQ(list[0].region.roots[1].node.get(), b.get());
}

TEST_F(JointRoots, NoRegionDependsOnItself) {
  const NodeRef x = data({64, 64});
  const NodeRef powers = elementwise(Op::exp, {x});
  // The product reads what would be stored together with what reads the product.
  EXPECT_EQ(roots({add(matmul(powers, powers), powers), powers}), (Counts{1, 1}));
  // Both read an operand, but one also what a fold of other rows makes of the other.
  const NodeRef one = mul(x, number(3));
  EXPECT_EQ(roots({one, mul(x, sum(one, 0, true))}), (Counts{1, 1, 1}));
}

TEST_F(JointRoots, ReadElsewhereThanAtItsOwnPointsIsNoJoint) {
  const NodeRef x = elementwise(Op::exp, {data({32})});
  EXPECT_EQ(roots({x, add(x, reverse(x, Axes{0}))}), (Counts{1, 1}));
  // Views that lead back do not matter.
  const NodeRef back = reverse(reverse(x, Axes{0}), Axes{0});
  EXPECT_EQ(roots({x, elementwise(Op::sin, {back})}), Counts{2});
}

TEST_F(JointRoots, KeepsWithinTheLimitsOfARegion) {
  // Of four operands each, one of them in common: seven and two roots are too many.
  const NodeRef x = data({10});
  const auto of_four = [&] { return add(add(x, data({10})), add(data({10}), data({10}))); };
  const auto of_three = [&] { return add(x, mul(data({10}), data({10}))); };
  EXPECT_EQ(roots({of_four(), of_four()}), (Counts{1, 1}));
  EXPECT_EQ(roots({of_three(), of_three()}), Counts{2});
  const auto chain = [&](int n) {
    NodeRef y = x;
    for (int i = 0; i < n; ++i) y = elementwise(Op::sin, {y});
    return y;
  };
  EXPECT_EQ(roots({chain(32), elementwise(Op::cos, {chain(31)})}), Counts{2});
  EXPECT_EQ(roots({chain(33), elementwise(Op::cos, {chain(31)})}), (Counts{1, 1}));
}

TEST_F(JointRoots, OfDifferentWidths) {
  const NodeRef x = data({10, 7}), bytes = cast(x, DType::u8);
  EXPECT_EQ(roots({elementwise(Op::sin, {x}), bytes, cast(x, DType::f16)}), Counts{3});
}

// A value must not fail for what only others need.
TEST_F(JointRoots, FaultsStayWithWhatDependsOnThem) {
  const NodeRef x = data({10}, DType::s32), y = data({10}, DType::s32);
  const NodeRef ratio = elementwise(Op::quotient, {x, y});
  EXPECT_EQ(roots({ratio, add(x, y)}), (Counts{1, 1}));
  EXPECT_EQ(roots({ratio, add(ratio, y)}), Counts{2});
}

TEST_F(JointRoots, WithoutFusionNothingJoins) {
  Options apart;
  apart.fuse = false;
  const NodeRef x = data({10});
  EXPECT_EQ(steps({elementwise(Op::sin, {x}), elementwise(Op::cos, {x})}, apart).size(), 2u);
}

// ---- Rows ----

TEST_F(JointRoots, MeanAndVarianceAreOneKernel) {
  const NodeRef x = data({64, 256});
  const auto mean_of = [&](const NodeRef& v) {
    return elementwise(Op::divide, {sum(v, -1, true), number(256)});
  };
  const NodeRef mean = mean_of(x), centred = elementwise(Op::subtract, {x, mean});
  const NodeRef variance = mean_of(mul(centred, centred));
  const auto list = steps({mean, variance});
  ASSERT_EQ(list.size(), 1u);
  const Region& r = list[0].region;
  EXPECT_EQ(r.kind, RegionKind::row_program);
  EXPECT_EQ(r.operands.size(), 1u);
  ASSERT_EQ(r.roots.size(), 2u);
  EXPECT_EQ(r.roots[0].level, Level::row);

  // And what is normalised by them.
  const NodeRef norm =
      mul(centred, elementwise(Op::rsqrt, {elementwise(Op::add, {variance, number(1e-5)})}));
  const auto all = steps({mean, variance, norm});
  ASSERT_EQ(all.size(), 1u);
  ASSERT_EQ(all[0].region.roots.size(), 3u);
  EXPECT_EQ(all[0].region.roots[1].level, Level::row);
  EXPECT_EQ(all[0].region.roots[2].level, Level::element);
  EXPECT_EQ(all[0].region.operands.size(), 1u);
}

TEST_F(JointRoots, FoldsOfTheSameRowsJoin) {
  const NodeRef x = data({64, 256});
  const auto max = [&](const NodeRef& v, Axes axes) {
    return reduce(Op::reduce_max, v, std::move(axes), false);
  };
  EXPECT_EQ(roots({sum(x), max(x, {1})}), Counts{2});
  EXPECT_EQ(roots({sum(x), max(x, {0})}), (Counts{1, 1}));
  EXPECT_EQ(roots({sum(x, 0), max(x, {0})}), (Counts{1, 1})) << "rows of one are the last axes";
  // Few long rows are better split; many are not.
  const NodeRef few = data({2, 4000}), many = data({4096, 4000});
  EXPECT_EQ(roots({sum(few), max(few, {1})}), (Counts{1, 1}));
  EXPECT_EQ(roots({sum(many), max(many, {1})}), Counts{2});
  // One fold and what is made of it can be split all the same.
  const NodeRef total = sum(few);
  const auto list = steps({total, elementwise(Op::sqrt, {total})});
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].region.kind, RegionKind::reduction);
  EXPECT_EQ(list[0].region.roots.size(), 2u);
}

TEST_F(JointRoots, ElementsOfRowsJoinTheirFold) {
  const NodeRef x = data({64, 256});
  const NodeRef relu = elementwise(Op::max, {mul(x, x), number(0)});
  const auto list = steps({relu, sum(relu)});
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].region.roots[0].level, Level::element);
  EXPECT_EQ(list[0].region.roots[1].level, Level::row);
  EXPECT_EQ(list[0].region.operands.size(), 1u);
  // An invocation owns whole words of each output.
  const NodeRef odd = cast(data({64, 255}), DType::f16), even = cast(x, DType::f16);
  const auto twice = [](const NodeRef& v) { return elementwise(Op::multiply, {v, v}); };
  EXPECT_EQ(roots({twice(odd), cast(sum(twice(odd)), DType::f32)}).size(), 2u);
  EXPECT_EQ(roots({twice(even), cast(sum(twice(even)), DType::f32)}).size(), 1u);
  const NodeRef narrow = sum(even);
  EXPECT_EQ(roots({narrow, cast(narrow, DType::f32)}), Counts{2});
  EXPECT_EQ(roots({narrow, cast(narrow, DType::u8)}), (Counts{1, 1}));
}

// Of several rows, results that share a word belong to several invocations.
TEST_F(JointRoots, NarrowResultOfASingleRowJoinsItsElements) {
  const auto counts = [&](const Shape& shape) {
    const NodeRef y = elementwise(Op::exp, {data(shape)});
    const Axes last{static_cast<int64_t>(shape.size()) - 1};
    return roots({y, reduce(Op::any, elementwise(Op::less, {y, number(1)}), last, false)});
  };
  EXPECT_EQ(counts({5}), Counts{2});
  EXPECT_EQ(counts({1, 5}), Counts{2});
  EXPECT_EQ(counts({2, 5}), (Counts{1, 1}));
}

// A root that a reduction needs whose result the other root needs, of all rows.
TEST_F(JointRoots, RowsDoNotWaitForOtherRows) {
  const NodeRef x = data({64, 256});
  const NodeRef sums = sum(x, -1, true);
  const NodeRef total = reduce(Op::sum, sums, {}, false);
  const NodeRef shares = elementwise(Op::divide, {x, total});
  EXPECT_EQ(roots({sums, shares}), (Counts{1, 1, 1}));
}

// ---- Parts ----

TEST(PartGraph, PathsThroughAThirdForbidToJoin) {
  // 0 reads 1 and 2, 1 reads 2, 3 stands alone.
  PartGraph g({{1, 2}, {2}, {}, {}});
  EXPECT_EQ(g.order(), (std::vector{3, 2, 1, 0}));
  EXPECT_FALSE(g.can_join(0, 2));
  EXPECT_FALSE(g.can_join(2, 0));
  EXPECT_TRUE(g.can_join(0, 1));
  EXPECT_TRUE(g.can_join(2, 3));
  g.join(0, 1);
  EXPECT_EQ(g.find(1), 0);
  EXPECT_TRUE(g.can_join(0, 2));
  EXPECT_EQ(g.order(), (std::vector{3, 2, 0}));
}

TEST(PartGraph, WhatMayRunTogetherIsTogether) {
  // Two chains of three, 2 <- 1 <- 0 and 5 <- 4 <- 3, as they are found: one after the other.
  PartGraph g({{1}, {2}, {}, {4}, {5}, {}});
  const std::vector<PartGraph::Traits> none(6);
  EXPECT_EQ(g.order(), (std::vector{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(g.concurrent_order(none, 4), (std::vector{5, 2, 4, 1, 3, 0}));
  EXPECT_EQ(g.concurrent_order(none, 2), (std::vector{5, 4, 2, 3, 1, 0}));
  EXPECT_EQ(g.concurrent_order(none, 1), g.order());
  // What takes no work is no reason to wait, but what reads it waits for what it reads.
  auto traits = none;
  traits[4].is_free = true;
  EXPECT_EQ(g.concurrent_order(traits, 4), (std::vector{5, 4, 2, 3, 1, 0}));
  // What is large waits for its time.
  traits = none;
  traits[2].is_small = false;
  EXPECT_EQ(g.concurrent_order(traits, 4), (std::vector{5, 4, 3, 2, 1, 0}));
}

TEST(PartGraph, JointPartsDependOnWhatEachDependedOn) {
  // 0 reads 2, 1 reads 3: joined crosswise they would read each other.
  PartGraph g({{2}, {3}, {}, {}});
  EXPECT_TRUE(g.can_join(0, 3));
  g.join(0, 3);
  EXPECT_FALSE(g.can_join(1, 2));
  EXPECT_EQ(g.order(), (std::vector{2, 0, 1}));
}

}  // namespace
}  // namespace nxv::schedule
