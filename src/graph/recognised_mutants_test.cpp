// Graphs that are almost attention and its gradients: what is taken for them answers what was
// written.
#include <gtest/gtest.h>

#include <cmath>
#include <unordered_map>

#include "graph/build.h"
#include "graph/building.h"
#include "graph/common_values.h"
#include "graph/recognised_attention.h"
#include "testing/graph/written_gradients.h"
#include "testing/graph/written_softmax.h"
#include "testing/random/dice.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

// Leaves first.
void collect(const NodeRef& x, std::vector<NodeRef>& order,
             std::unordered_map<const Node*, NodeRef>& seen) {
  if (!seen.emplace(x.get(), x).second) return;
  for (const NodeRef& input : x->inputs) collect(input, order, seen);
  order.push_back(x);
}

class Mutants {
 public:
  explicit Mutants(uint64_t seed) : dice_(seed) {}

  // Attention as cubes: all axes but the first are of one length, so that many values have one
  // shape.
  std::vector<NodeRef> original() {
    const NodeRef q = cube(), k = cube(), v = cube();
    const auto last = [](Op o, const NodeRef& x) { return reduce(o, x, Axes{3}, true); };
    const NodeRef scaled = dice_.chance(30) ? op(Op::divide, q, number(1.5)) : q;
    NodeRef s = op(Op::multiply, dot(scaled, k, {{3}, {3}, {0, 1}, {0, 1}}), number(0.5));
    if (dice_.chance(20)) s = op(Op::add, s, cube());
    if (dice_.chance(60)) {
      const auto position = [&](int64_t axis) { return iota(yard_, DType::s32, s->shape, axis); };
      const NodeRef seen = op(Op::greater_equal, position(2), position(3)), low = number(-1e9);
      s = dice_.chance(50) ? elementwise(Op::select, {seen, s, low})
                           : op(Op::add, s, elementwise(Op::select, {seen, number(0), low}));
    }
    const NodeRef e = elementwise(Op::exp, {op(Op::subtract, s, last(Op::reduce_max, s))});
    const NodeRef sums = last(Op::sum, e);
    const NodeRef w = dice_.chance(50) ? op(Op::divide, e, sums)
                                       : op(Op::multiply, op(Op::divide, number(1), sums), e);
    const NodeRef o = dot(w, v, {{3}, {2}, {0, 1}, {0, 1}});
    std::vector<NodeRef> values;
    if (dice_.chance(70)) {
      values = written_gradients(o, cube(), std::vector{q, k, v}, dice_.chance(50));
    }
    values.push_back(o);
    return common_values(values);
  }

  // With one operation that is another, or reads another value of the same shape.
  std::vector<NodeRef> mutated(const std::vector<NodeRef>& values) {
    std::vector<NodeRef> order;
    std::unordered_map<const Node*, NodeRef> seen;
    for (const NodeRef& x : values) collect(x, order, seen);
    size_t at = 0;
    do {
      at = index_below(order.size());
    } while (order[at]->inputs.empty());
    std::unordered_map<const Node*, NodeRef> built;
    for (size_t i = 0; i < order.size(); ++i) {
      std::vector<NodeRef> inputs;
      for (const NodeRef& input : order[i]->inputs) inputs.push_back(built.at(input.get()));
      NodeRef made = order[i];
      if (!inputs.empty()) {
        made = i == at ? mutant(*order[i], std::move(inputs), order, i, built)
                       : building::with_inputs(*order[i], std::move(inputs));
      }
      built.emplace(order[i].get(), std::move(made));
    }
    std::vector<NodeRef> all;
    for (const NodeRef& x : values) all.push_back(built.at(x.get()));
    return all;
  }

 private:
  static constexpr int64_t kSide = 3;

  size_t index_below(size_t n) { return static_cast<size_t>(dice_.below(static_cast<int64_t>(n))); }

  NodeRef number(double v) const { return constant(yard_, make_scalar(DType::f32, v), {}); }
  NodeRef cube() {
    const Shape shape = {1, kSide, kSide, kSide};
    std::vector<std::byte> stored(static_cast<size_t>(4 * element_count(shape)));
    for (int64_t i = 0; i < element_count(shape); ++i) {
      const double v = static_cast<double>(dice_.between(-512, 512)) / 256;
      store_scalar(make_scalar(DType::f32, v), stored.data(), i);
    }
    return host_value(yard_, DType::f32, shape, std::move(stored));
  }

  NodeRef mutant(const Node& node, std::vector<NodeRef> inputs, const std::vector<NodeRef>& order,
                 size_t before, const std::unordered_map<const Node*, NodeRef>& built) {
    constexpr Op kOps[] = {Op::add, Op::subtract, Op::multiply, Op::divide};
    const bool is_arithmetic =
        std::find(std::begin(kOps), std::end(kOps), node.op) != std::end(kOps);
    if (is_arithmetic && dice_.chance(40)) {
      return elementwise(kOps[dice_.between(0, 3)], inputs);
    }
    if (node.op == Op::transpose && dice_.chance(70)) {
      Axes axes(node.shape.size());
      for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i);
      const auto last = static_cast<int64_t>(axes.size()) - 1;
      std::swap(axes[static_cast<size_t>(dice_.between(1, last))], axes[static_cast<size_t>(last)]);
      const NodeRef turned = transpose(inputs[0], axes);
      return turned->shape == node.shape ? turned : building::with_inputs(node, inputs);
    }
    const size_t which = index_below(inputs.size());
    std::vector<NodeRef> others;
    for (size_t i = 0; i < before; ++i) {
      const NodeRef& other = built.at(order[i].get());
      const NodeRef& given = inputs[which];
      // Beside numbers as low as those of masks f32 has nothing left of a score.
      const bool is_number = other->op == Op::constant;
      const bool fits = other->shape == given->shape && other->dtype == given->dtype;
      if (fits && !is_number) others.push_back(other);
    }
    if (!others.empty()) inputs[which] = dice_.pick(others);
    return building::with_inputs(node, std::move(inputs));
  }

  Dice dice_;
  GraveyardRef yard_ = host_graveyard();
};

bool has_attention(const std::vector<NodeRef>& values) {
  std::vector<NodeRef> order;
  std::unordered_map<const Node*, NodeRef> seen;
  for (const NodeRef& x : values) collect(x, order, seen);
  return std::any_of(order.begin(), order.end(),
                     [](const NodeRef& x) { return x->op == Op::attention; });
}

TEST(RecognisedMutants, AnswerTheSame) {
  int originals = 0, recognised = 0;
  constexpr int kGraphs = 5000;
  for (int i = 0; i < kGraphs; ++i) {
    Mutants mutants(static_cast<uint64_t>(i));
    const bool is_original = i % 10 == 0;
    const auto original = mutants.original();
    const auto values = common_values(is_original ? original : mutants.mutated(original));
    const auto made = recognised_attention(
        values, [](DType, const AttentionSizes&, const AttentionUse&) { return true; });
    if (!has_attention(made)) continue;
    ++(is_original ? originals : recognised);
    for (size_t v = 0; v < values.size(); ++v) {
      const HostTensor expected = reference_evaluate(*values[v]),
                       got = reference_evaluate(*made[v]);
      double largest = 1;
      for (int64_t k = 0; k < expected.count(); ++k) {
        const double e = std::abs(to_double(expected.at(k)));
        if (std::isfinite(e)) largest = std::max(largest, e);
      }
      for (int64_t k = 0; k < expected.count(); ++k) {
        const double e = to_double(expected.at(k)), g = to_double(got.at(k));
        if (!std::isfinite(e) && !std::isfinite(g)) continue;
        ASSERT_NEAR(g, e, 2e-5 * largest) << "graph " << i << ", value " << v << ", element " << k;
      }
    }
  }
  EXPECT_EQ(originals, kGraphs / 10);
  // Such as read what is the same.
  EXPECT_GT(recognised, kGraphs / 10);
}

}  // namespace
}  // namespace nxv
