#include "graph/unrolled_loop.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "graph/build.h"

namespace nxv {
namespace {

using Nodes = std::vector<NodeRef>;

class UnrolledLoops : public testing::Test {
 protected:
  NodeRef num(int64_t v) { return constant(owner_, make_scalar(DType::s32, v), {}); }
  NodeRef param(Shape shape = {}) { return parameter(owner_, DType::s32, std::move(shape)); }
  NodeRef values(const std::vector<int32_t>& v) {
    std::vector<std::byte> bytes(v.size() * 4);
    std::memcpy(bytes.data(), v.data(), bytes.size());
    return host_value(owner_, DType::s32, {static_cast<int64_t>(v.size())}, std::move(bytes));
  }
  static FunctionRef function(Nodes parameters, Nodes results) {
    return std::make_shared<const Function>(std::move(parameters), std::move(results));
  }
  // From a counter to `rounds`; the rest of the state becomes what `body` makes of the counter and
  // it.
  Nodes run(const NodeRef& start, int rounds, const Nodes& state,
            const std::function<Nodes(const NodeRef&, const Nodes&)>& body) {
    const auto parameters = [&] {
      Nodes p{param()};
      for (const NodeRef& s : state) p.push_back(parameter(owner_, s->dtype, s->shape));
      return p;
    };
    const Nodes tested = parameters(), from = parameters();
    Nodes to = body(from[0], {from.begin() + 1, from.end()});
    to.insert(to.begin(), elementwise(Op::add, {from[0], num(1)}));
    Nodes all{start};
    all.insert(all.end(), state.begin(), state.end());
    return loop(all, function(tested, {elementwise(Op::less, {tested[0], num(rounds)})}),
                function(from, to));
  }
  static int64_t value(const NodeRef& n) { return to_int64(n->attribute<ConstantAttr>().value); }

  const GraveyardRef owner_ = std::make_shared<Graveyard>();
};

// x + table[i], where the table is an array that the host knows: the additions alone are left.
TEST_F(UnrolledLoops, ReadConstantsAtTheirCounter) {
  const NodeRef x = param({5});
  const Nodes end = run(num(0), 3, {x, values({7, 8, 9, 10})}, [](const auto& i, const Nodes& s) {
    return Nodes{elementwise(Op::add, {s[0], gather(s[1], i)}), s[1]};
  });
  EXPECT_EQ(value(end[0]), 3);
  NodeRef sum = end[1];
  for (const int64_t expected : {9, 8, 7}) {
    ASSERT_EQ(sum->op, Op::add);
    const NodeRef& added = sum->inputs[1];
    ASSERT_EQ(added->op, Op::constant);
    EXPECT_EQ(value(added), expected);
    const NodeRef next = sum->inputs[0];
    sum = next;
  }
  EXPECT_EQ(sum.get(), x.get());
}

TEST_F(UnrolledLoops, OfDeviceValuesReadSlices) {
  const Nodes end = run(num(0), 2, {param(), param({4})}, [](const auto& i, const Nodes& s) {
    return Nodes{elementwise(Op::multiply, {s[0], gather(s[1], i)}), s[1]};
  });
  ASSERT_EQ(end[1]->op, Op::multiply);
  const NodeRef read = end[1]->inputs[1]->inputs[0];  // below a reshape to a scalar
  ASSERT_EQ(read->op, Op::slice);
  EXPECT_EQ(read->template attribute<SliceAttr>().starts, (std::vector<int64_t>{1}));
}

TEST_F(UnrolledLoops, TakeTurns) {
  const NodeRef a = param({4}), b = param({4}), x = param({4});
  const auto body = [](const auto&, const Nodes& s) {
    return Nodes{s[1], s[0], elementwise(Op::subtract, {s[2], s[0]})};
  };
  const Nodes end = run(num(0), 3, {a, b, x}, body);
  EXPECT_EQ(end[1].get(), b.get());
  EXPECT_EQ(end[2].get(), a.get());
  ASSERT_EQ(end[3]->op, Op::subtract);
  EXPECT_EQ(end[3]->inputs[1].get(), a.get());
  EXPECT_EQ(end[3]->inputs[0]->inputs[1].get(), b.get());
  EXPECT_EQ(run(num(0), 9, {a, b, x}, body)[1]->op, Op::result) << "too many rounds";
  EXPECT_EQ(run(param(), 3, {a, b, x}, body)[1]->op, Op::result) << "nobody knows how many";
}

// Operations of every way of building a node.
TEST_F(UnrolledLoops, HoldAnyOperation) {
  const NodeRef a = param({4}), b = param({4});
  const Nodes end = run(num(0), 2, {a, b}, [&](const auto&, const Nodes& s) {
    const Nodes parts{s[0], reverse(s[1], {0})};
    const NodeRef total = reduce(Op::sum, concatenate(parts, 0), {}, true);
    const NodeRef padded = pad(total, num(1), {{1}, {2}, {0}});
    return Nodes{s[1], elementwise(Op::add, {padded, bitcast(s[0], DType::s32)})};
  });
  EXPECT_EQ(end[1]->op, Op::add);
  ASSERT_EQ(end[2]->op, Op::add);
  ASSERT_EQ(end[2]->inputs[0]->op, Op::pad);
  const NodeRef total = end[2]->inputs[0]->inputs[0];
  ASSERT_EQ(total->op, Op::sum);
  EXPECT_EQ(total->inputs[0]->op, Op::concatenate);
  EXPECT_EQ(total->inputs[0]->inputs[0].get(), b.get());
  EXPECT_EQ(end[2]->inputs[1].get(), b.get());
}

TEST_F(UnrolledLoops, AreNotThoseWhoseRoundsAreAlike) {
  const Nodes end = run(num(0), 3, {param({4})}, [](const auto&, const Nodes& s) {
    return Nodes{elementwise(Op::multiply, {s[0], s[0]})};
  });
  EXPECT_EQ(end[1]->op, Op::result);
}

TEST_F(UnrolledLoops, OfNoRoundAreTheirState) {
  const NodeRef a = param({4}), b = param({4});
  const Nodes end = run(num(5), 3, {a, b}, [](const auto&, const Nodes& s) {
    return Nodes{s[1], s[0]};
  });
  EXPECT_EQ(end[1].get(), a.get());
  EXPECT_EQ(end[2].get(), b.get());
}

}  // namespace
}  // namespace nxv
