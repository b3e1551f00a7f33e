#include "schedule/structure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "schedule/fixture_test.h"

namespace nxv::schedule {
namespace {

class Structures : public Graphs {
 protected:
  NodeRef stream(uint64_t seed, double high) {
    return random(owner_, Op::random_uniform, DType::f32, {8}, {seed, 0, 0, high});
  }

  static std::vector<uint64_t> signature(const NodeRef& root) {
    Structure s;
    EXPECT_TRUE(s.read(*root));
    EXPECT_EQ(s.nodes.back(), root.get());
    for (const Node* n : s.nodes) EXPECT_EQ(n->scratch, -1);
    return s.signature;
  }
};

TEST_F(Structures, ValuesDoNotMatter) {
  EXPECT_EQ(signature(add(data({8}), number(1))), signature(add(data({8}), number(2))));
  EXPECT_EQ(signature(add(data({8}), stream(1, 1))), signature(add(data({8}), stream(2, 3))));
}

TEST_F(Structures, EverythingElseMatters) {
  const NodeRef x = data({4, 8}), y = data({4, 8}), v = data({8});
  const std::vector<NodeRef> roots = {
      add(x, y),
      add(x, x),
      elementwise(Op::multiply, {x, y}),
      add(data({8, 4}), data({8, 4})),
      add(data({32}), data({32})),
      add(data({4, 8}, DType::s32), y),
      add(x, add(x, y)),
      add(y, add(x, y)),
      add(x, v),
      add(x, number(1)),
      add(x, iota(owner_, DType::f32, {4, 8}, 0)),
      add(x, iota(owner_, DType::f32, {4, 8}, 1)),
      slice(x, Axes{0, 0}, Axes{2, 2}, Axes{1, 1}),
      slice(x, Axes{1, 0}, Axes{2, 2}, Axes{1, 1}),
      slice(x, Axes{0, 0}, Axes{2, 3}, Axes{1, 2}),
      pad(x, number(0), {{1, 0}, {0, 0}, {0, 0}}),
      pad(x, number(0), {{0, 0}, {1, 0}, {0, 0}}),
      reverse(x, {0}),
      reverse(x, {1}),
      reduce(Op::sum, data({3, 3}), Axes{0}, false),
      reduce(Op::sum, data({3, 3}), Axes{1}, false),
      matmul(data({3, 3}), data({3, 3})),
      matmul(data({1, 3, 3}), data({1, 3, 3})),
      concatenate(std::vector<NodeRef>{data({3, 3}), data({3, 3})}, 0),
      concatenate(std::vector<NodeRef>{data({3, 3}), data({3, 3})}, 1),
  };
  for (size_t i = 0; i < roots.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      EXPECT_NE(signature(roots[i]), signature(roots[k])) << i << " and " << k;
    }
  }
}

TEST_F(Structures, FailedInputsThrowAndLeaveNothingBehind) {
  const NodeRef x = data({8}), y = data({8}), bad = elementwise(Op::exp, {y});
  bad->set_failed({Status::arithmetic, "bad"});
  const NodeRef root = add(elementwise(Op::exp, {x}), bad);
  Structure s;
  EXPECT_THROW(s.read(*root), Error);
  EXPECT_EQ(x->scratch, -1);
  EXPECT_EQ(root->scratch, -1);
  EXPECT_EQ(root->inputs[0]->scratch, -1);
}

TEST_F(Structures, ConsumedInputsAreNoStoredOnes) {
  const NodeRef x = data({8});
  x->set_consumed();
  Structure s;
  try {
    s.read(*add(x, x));
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.status(), Status::internal);
  }
}

// w := w - d(w) until no d is large: whichever of them is stored in a round, the next one begins
// like it.
TEST_F(Structures, RoundsOfAnIterationAreAlikeWhereTheyStart) {
  const auto large = [&](const NodeRef& w, const NodeRef& d) {
    return reduce(Op::any, elementwise(Op::greater, {elementwise(Op::abs, {d}), w}), Axes{0},
                  false);
  };
  const auto step = [&](const NodeRef& w) {
    const NodeRef e = elementwise(Op::exp, {w});
    return elementwise(Op::divide, {elementwise(Op::multiply, {w, e}), add(e, number(1))});
  };
  const NodeRef start = elementwise(Op::log, {data({5})}), d = step(start);
  const NodeRef asked = large(start, d);
  Structure s;
  s.read(*asked, 5);
  // What its exp would give is computed from it.
  EXPECT_EQ(s.roots, (std::vector<Node*>{asked.get(), start.get()}));
  s.read(*asked, 4);
  EXPECT_EQ(s.roots, std::vector<Node*>{asked.get()});
  // Not where more than a number is asked for.
  s.read(*elementwise(Op::subtract, {start, d}), 5);
  EXPECT_EQ(s.roots.size(), 1u);
  // Nor what takes no function: it costs less to compute again than to have a kernel that stores
  // it.
  const NodeRef sum = add(data({5}), data({5}));
  const NodeRef cheap = large(sum, add(sum, sum));
  s.read(*cheap, 5);
  EXPECT_EQ(s.roots, std::vector<Node*>{cheap.get()});

  for (const NodeRef& node : {start, d}) node->was_computed = true;
  const NodeRef next = elementwise(Op::subtract, {start, d}), again = large(next, step(next));
  s.read(*again, 5);
  for (const NodeRef& node : {start, d, next}) {
    EXPECT_NE(std::find(s.roots.begin(), s.roots.end(), node.get()), s.roots.end());
  }
}

}  // namespace
}  // namespace nxv::schedule
