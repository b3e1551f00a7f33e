// Gradients of attention, as they follow from how it is written, are found and are the same.
#include <gtest/gtest.h>

#include <cmath>
#include <unordered_set>

#include "graph/attention_graphs_test.h"
#include "graph/build.h"
#include "graph/common_values.h"
#include "graph/recognised_attention.h"
#include "testing/graph/written_gradients.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

class RecognisedGradient : public AttentionGraphs {
 protected:
  RecognisedGradient() : AttentionGraphs(DType::f32) {}

  static void collect(const Node* node, std::unordered_set<const Node*>& seen) {
    if (!seen.insert(node).second) return;
    for (const NodeRef& input : node->inputs) collect(input.get(), seen);
  }
  // The only one of such an operation; null where there is none.
  const Node* find(Op of) const {
    std::unordered_set<const Node*> seen;
    for (const NodeRef& x : made_) collect(x.get(), seen);
    const Node* found = nullptr;
    for (const Node* x : seen) {
      if (x->op != of) continue;
      EXPECT_EQ(found, nullptr);
      found = x;
    }
    return found;
  }

  // Whether values become others in which attention and its gradients are operations, and no powers
  // are left; they are the same.
  bool recognised(const std::vector<NodeRef>& values, double tolerance = 1e-5) {
    const auto common = common_values(values);
    made_ =
        recognised_attention(common, [this](DType, const AttentionSizes&, const AttentionUse& use) {
          asked_for_gradients_ = use.with_gradients;
          return true;
        });
    for (size_t v = 0; v < values.size(); ++v) {
      EXPECT_EQ(made_[v]->shape, values[v]->shape);
      EXPECT_EQ(made_[v]->dtype, values[v]->dtype);
      const HostTensor expected = reference_evaluate(*values[v]),
                       got = reference_evaluate(*made_[v]);
      for (int64_t i = 0; i < expected.count(); ++i) {
        const double e = to_double(expected.at(i)), g = to_double(got.at(i));
        if (std::abs(e - g) <= tolerance) continue;
        ADD_FAILURE() << "element " << i << " of value " << v << " is " << g << ", not " << e;
        break;
      }
    }
    const bool has_gradient = find(Op::attention_gradient) != nullptr;
    EXPECT_EQ(has_gradient, find(Op::attention) != nullptr);
    if (has_gradient) {
      EXPECT_EQ(find(Op::exp), nullptr);
      EXPECT_TRUE(asked_for_gradients_);
    }
    return has_gradient;
  }
  // Of a result and of its gradients by queries, keys and values.
  std::vector<NodeRef> with_gradients(const NodeRef& result, DType type = DType::f32,
                                      bool maxima_are_constants = false) {
    g_ = noise(type, result->shape);
    std::vector<NodeRef> all =
        written_gradients(result, g_, std::vector{q_, k_, v_}, maxima_are_constants);
    all.push_back(result);
    return all;
  }
  const AttentionAttr& attributes() const {
    return find(Op::attention_gradient)->attribute<AttentionAttr>();
  }

  NodeRef g_;
  std::vector<NodeRef> made_;
  bool asked_for_gradients_ = false;
};

TEST_F(RecognisedGradient, OfScaledScores) {
  EXPECT_TRUE(recognised(with_gradients(weighted(softmax(op(Op::divide, scores(), num(2.5)))))));
  EXPECT_EQ(attributes().scale, 0.4);
  const Node* gradient = find(Op::attention_gradient);
  EXPECT_EQ(gradient->inputs[0].get(), q_.get());
  EXPECT_EQ(gradient->inputs[3].get(), g_.get());
}

TEST_F(RecognisedGradient, OfMaximaThatAreConstants) {
  EXPECT_TRUE(recognised(with_gradients(weighted(softmax(scores())), DType::f32, true)));
}

// As Axon.Activations.softmax, and without maxima.
TEST_F(RecognisedGradient, OfReciprocals) {
  const NodeRef e = powers(scores());
  const NodeRef w = op(Op::multiply, op(Op::divide, num(1), rows(Op::sum, e)), e);
  EXPECT_TRUE(recognised(with_gradients(weighted(w), DType::f32, true)));
  EXPECT_TRUE(recognised(with_gradients(weighted(w))));
  const NodeRef plain = elementwise(Op::exp, {op(Op::multiply, scores(), num(0.25))});
  const NodeRef sums = reduce(Op::sum, plain, Axes{3}, true);
  EXPECT_TRUE(recognised(with_gradients(weighted(op(Op::divide, plain, sums)))));
}

TEST_F(RecognisedGradient, OfMaskedScores) {
  const NodeRef scaled = op(Op::multiply, scores(), num(0.3));
  EXPECT_TRUE(recognised(with_gradients(weighted(softmax(masked(causal(5, 7), scaled, -1e9))))));
  EXPECT_EQ(attributes().after, 0);
}

TEST_F(RecognisedGradient, OfScoresThatMayAllBeMasked) {
  // The first rows see nothing: weights are uniform and scores have no slope.
  const auto later = [&](DType type) { return masked(causal(5, 7, -2), scores(type), -1e9); };
  EXPECT_TRUE(recognised(with_gradients(weighted(softmax(later(DType::bf16)))), 0.1));
  EXPECT_TRUE(attributes().has_mask);
  EXPECT_EQ(attributes().masked, kMasked);
  EXPECT_FALSE(recognised(with_gradients(weighted(softmax(later(DType::f32))))));

  const NodeRef hidden = op(Op::less, noise(DType::f32, {2, 1, 1, 7}), num(0));
  const NodeRef s = scores(DType::bf16);
  const NodeRef turned =
      elementwise(Op::select, {broadcast(hidden, s->shape), num(-1e9, DType::bf16), s});
  const NodeRef both = masked(causal(5, 7), turned, -1e9);
  EXPECT_TRUE(recognised(with_gradients(weighted(softmax(both))), 0.1));
  EXPECT_TRUE(attributes().has_mask);
}

TEST_F(RecognisedGradient, OfBiasedScores) {
  const NodeRef biased =
      op(Op::add, op(Op::multiply, scores(), num(0.5)), noise(DType::f32, {3, 5, 7}));
  EXPECT_TRUE(recognised(with_gradients(weighted(softmax(biased)))));
  EXPECT_TRUE(attributes().has_bias);
  // A bias that hides scores, and in the second case all of some rows.
  const auto low = [&](const NodeRef& mask, double by) {
    return op(Op::add, scores(), elementwise(Op::select, {mask, num(0), num(by)}));
  };
  EXPECT_TRUE(recognised(with_gradients(weighted(softmax(low(causal(5, 7), -1e9))))));
  EXPECT_EQ(attributes().after, 0);
  // Where all is hidden, f32 has nothing left of a score.
  recognised(with_gradients(weighted(softmax(low(causal(5, 7, -2), -1e9)))), 10);
  EXPECT_TRUE(attributes().has_bias);
  EXPECT_FALSE(attributes().has_mask);
}

// The gradient of a bias needs the scores'.
TEST_F(RecognisedGradient, OfABiasStays) {
  const NodeRef bias = noise(DType::f32, {3, 5, 7});
  const NodeRef o = weighted(softmax(op(Op::add, scores(), bias)));
  EXPECT_FALSE(
      recognised(written_gradients(o, noise(DType::f32, o->shape), std::vector{q_, bias})));
}

// Factors of other types than gradients, as where a loss is f32.
TEST_F(RecognisedGradient, OfHalves) {
  for (DType type : {DType::f32, DType::bf16}) {
    const NodeRef s =
        masked(causal(5, 7), op(Op::divide, scores(DType::bf16), num(4, DType::bf16)), -1e9);
    EXPECT_TRUE(recognised(with_gradients(weighted(softmax(s)), type), 0.15));
    // Weights that are rounded for no gradient.
    const NodeRef wide = op(Op::multiply, cast(scores(DType::bf16), DType::f32), num(0.25));
    EXPECT_EQ(recognised(with_gradients(weighted(softmax(wide)), type), 0.15), type != DType::f32);
  }
  for (DType type : {DType::f32, DType::f16}) {
    const NodeRef o = weighted(softmax(scores(DType::f16)));
    EXPECT_TRUE(recognised(with_gradients(o, type), 0.02));
  }
}

TEST_F(RecognisedGradient, OfSomeFactors) {
  const NodeRef o = weighted(softmax(scores()));
  const NodeRef g = noise(DType::f32, o->shape);
  for (const auto& some :
       {std::vector{q_}, std::vector{k_}, std::vector{v_}, std::vector{k_, v_}}) {
    auto values = written_gradients(o, g, some);
    // Without the result there is no attention.
    EXPECT_FALSE(recognised(values));
    values.push_back(o);
    EXPECT_TRUE(recognised(values));
  }
}

// Parts of one product, heads within positions, and scaled queries and keys.
TEST_F(RecognisedGradient, OfOneProduct) {
  const NodeRef all = noise(DType::f32, {2, 6, 96});
  const NodeRef parts = transpose(reshape(all, {2, 6, 3, 4, 8}), {2, 0, 3, 1, 4});
  const auto part = [&](int64_t i) {
    const std::vector<int64_t> starts{i, 0, 0, 0, 0}, lengths{1, 2, 4, 6, 8};
    return squeeze(slice(parts, starts, lengths, std::vector<int64_t>(5, 1)), {0});
  };
  const NodeRef q = op(Op::multiply, part(0), num(0.5)), k = op(Op::divide, part(1), num(1.5));
  const NodeRef s = masked(causal(6, 6), dot(q, k, {{3}, {3}, {0, 1}, {0, 1}}), -1e9);
  const NodeRef o = dot(softmax(s), part(2), {{3}, {2}, {0, 1}, {0, 1}});
  const NodeRef result = reshape(transpose(o, {0, 2, 1, 3}), {2, 6, 32});
  auto values = written_gradients(result, noise(DType::f32, result->shape), std::vector{all});
  values.push_back(result);
  EXPECT_TRUE(recognised(values));
  EXPECT_TRUE(attributes().heads_inside);
  EXPECT_EQ(attributes().scale, 0.5 / 1.5);

  q_ = noise(DType::f32, {2, 5, 3, 8});
  k_ = noise(DType::f32, {2, 7, 3, 8});
  v_ = noise(DType::f32, {2, 7, 3, 4});
  const NodeRef inside = dot(q_, k_, {{3}, {3}, {0, 2}, {0, 2}});
  const NodeRef w = dot(softmax(inside), v_, {{3}, {1}, {0, 1}, {0, 2}});
  EXPECT_TRUE(recognised(with_gradients(transpose(w, {0, 2, 1, 3}))));
}

// As many heads as positions and columns: no view is taken for another.
TEST_F(RecognisedGradient, OfCubes) {
  for (const Axes& order : {Axes{0, 2, 1, 3}, Axes{0, 1, 3, 2}, Axes{0, 3, 2, 1}}) {
    const auto cube = [&] { return noise(DType::f32, {1, 4, 4, 4}); };
    q_ = cube();
    k_ = cube();
    v_ = cube();
    const auto turned = [&](const NodeRef& f) { return transpose(f, order); };
    const NodeRef s = dot(turned(q_), turned(k_), {{3}, {3}, {0, 1}, {0, 1}});
    const NodeRef o = dot(softmax(s), turned(v_), {{3}, {2}, {0, 1}, {0, 1}});
    EXPECT_TRUE(recognised(with_gradients(transpose(o, {0, 2, 1, 3}))));
    EXPECT_TRUE(recognised(with_gradients(transpose(o, order))));
    // Of square scores, changes that go with the keys in place of the queries.
    const NodeRef mixed = dot(softmax(s), turned(v_), {{2}, {2}, {0, 1}, {0, 1}});
    EXPECT_FALSE(recognised(with_gradients(mixed)));
  }
}

TEST_F(RecognisedGradient, OfGroupedHeads) {
  q_ = noise(DType::f32, {2, 3, 4, 5, 8});
  k_ = noise(DType::f32, {2, 3, 5, 8});
  v_ = noise(DType::f32, {2, 3, 5, 4});
  const NodeRef s = dot(q_, k_, {{4}, {3}, {0, 1}, {0, 1}});
  const NodeRef w = softmax(masked(causal(5, 5), s, -1e9));
  EXPECT_TRUE(recognised(with_gradients(dot(w, v_, {{4}, {2}, {0, 1}, {0, 1}}))));
  EXPECT_EQ(find(Op::attention_gradient)->inputs[1]->shape, (Shape{2, 3, 5, 8}));
}

// Two layers, the gradient of the first by that of the second.
TEST_F(RecognisedGradient, OfTwoLayers) {
  const NodeRef first = weighted(softmax(scores()));
  const NodeRef w = softmax(dot(first, first, {{3}, {3}, {0, 1}, {0, 1}}));
  const NodeRef second = dot(w, first, {{3}, {2}, {0, 1}, {0, 1}});
  auto values = written_gradients(second, noise(DType::f32, second->shape), std::vector{q_, v_});
  values.push_back(second);
  const auto made =
      recognised_attention(common_values(values),
                           [](DType, const AttentionSizes&, const AttentionUse&) { return true; });
  std::unordered_set<const Node*> seen;
  for (const NodeRef& x : made) collect(x.get(), seen);
  EXPECT_EQ(std::count_if(seen.begin(), seen.end(),
                          [](const Node* x) { return x->op == Op::attention_gradient; }),
            2);
  for (size_t v = 0; v < values.size(); ++v) {
    const HostTensor expected = reference_evaluate(*values[v]), got = reference_evaluate(*made[v]);
    for (int64_t i = 0; i < expected.count(); ++i) {
      ASSERT_NEAR(to_double(got.at(i)), to_double(expected.at(i)), 1e-4);
    }
  }
}

TEST_F(RecognisedGradient, WhatElseReadsWeightsKeepsThem) {
  const NodeRef w = softmax(scores()), o = weighted(w);
  auto values = with_gradients(o);
  values.push_back(reduce(Op::sum, w, Axes{2}, false));
  EXPECT_FALSE(recognised(values));
  // The gradient of the weights, and a second product of these.
  values = with_gradients(o);
  const auto matrices = [](const NodeRef& x) { return reshape(x, {6, x->shape[2], x->shape[3]}); };
  values.push_back(dot(matrices(g_), transpose(matrices(v_), {0, 2, 1}), {{2}, {1}, {0}, {0}}));
  EXPECT_FALSE(recognised(values));
  values = with_gradients(o);
  values.push_back(dot(w, noise(DType::f32, {2, 3, 7, 4}), {{3}, {2}, {0, 1}, {0, 1}}));
  EXPECT_FALSE(recognised(values));
}

// What is no gradient of the scores is not taken for one.
TEST_F(RecognisedGradient, WhatIsNoGradientStays) {
  const NodeRef s = scores(), w = softmax(s), o = weighted(w);
  const NodeRef d = dot(noise(DType::f32, o->shape), v_, {{3}, {3}, {0, 1}, {0, 1}});
  const NodeRef kept = rows(Op::sum, op(Op::multiply, d, w));
  const auto with = [&](const NodeRef& change) {
    return std::vector{o, dot(change, k_, {{3}, {2}, {0, 1}, {0, 1}})};
  };
  EXPECT_TRUE(recognised(with(op(Op::multiply, w, op(Op::subtract, d, kept)))));
  EXPECT_FALSE(recognised(with(op(Op::multiply, w, op(Op::add, d, kept)))));
  EXPECT_FALSE(recognised(with(op(Op::multiply, w, d))));
  EXPECT_FALSE(recognised(with(op(Op::multiply, w, op(Op::subtract, d, rows(Op::sum, d))))));
  EXPECT_FALSE(
      recognised(with(op(Op::multiply, op(Op::multiply, w, w), op(Op::subtract, d, kept)))));
  EXPECT_FALSE(recognised(
      with(op(Op::multiply, w,
              op(Op::subtract, d, reduce(Op::sum, op(Op::multiply, d, w), Axes{2}, true))))));
  // By other keys, or hidden where the scores were not.
  const NodeRef change = op(Op::multiply, w, op(Op::subtract, d, kept));
  const NodeRef others = noise(DType::f32, {2, 3, 7, 8});
  EXPECT_FALSE(recognised({o, dot(change, others, {{3}, {2}, {0, 1}, {0, 1}})}));
  EXPECT_FALSE(recognised(with(masked(causal(5, 7), change, 0))));
  // What is nothing times how often it is found among the largest, or times anything else.
  const NodeRef nothing = broadcast(op(Op::subtract, kept, kept), s->shape);
  const auto found = [&](const NodeRef& x) {
    return op(Op::add, change, op(Op::multiply, nothing, op(Op::equal, s, x)));
  };
  EXPECT_TRUE(recognised(with(found(rows(Op::reduce_max, s)))));
  EXPECT_FALSE(recognised(with(found(num(0.5)))));
  // Twice the gradient is.
  EXPECT_TRUE(recognised(with(op(Op::multiply, change, num(2)))));
}

// Values may be made of what would be their gradient.
TEST_F(RecognisedGradient, NoCycles) {
  const NodeRef q = noise(DType::f32, {2, 7, 8}), k = noise(DType::f32, {2, 7, 8});
  const NodeRef w = softmax(dot(q, k, {{2}, {2}, {0}, {0}}));
  const NodeRef x = noise(DType::f32, {2, 7, 8});
  const NodeRef v = dot(w, x, {{1}, {1}, {0}, {0}});
  const NodeRef o = dot(w, v, {{2}, {1}, {0}, {0}});
  EXPECT_FALSE(recognised({o}));
  const NodeRef turned = transpose(dot(x, w, {{1}, {1}, {0}, {0}}), {0, 2, 1});
  EXPECT_FALSE(recognised({dot(w, turned, {{2}, {1}, {0}, {0}})}));
}

}  // namespace
}  // namespace nxv
