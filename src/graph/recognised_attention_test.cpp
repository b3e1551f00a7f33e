// Attention as people write it is found, and is the same; what is written otherwise stays.
#include "graph/recognised_attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/attention_graphs_test.h"
#include "graph/build.h"
#include "graph/common_values.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

class RecognisedAttention : public AttentionGraphs {
 protected:
  RecognisedAttention() : AttentionGraphs(DType::bf16) {}

  NodeRef stored(int32_t v) const {
    std::vector<std::byte> bytes(4);
    store_scalar(make_scalar(DType::s32, int64_t{v}), bytes.data(), 0);
    return host_value(yard_, DType::s32, {}, std::move(bytes));
  }

  static const Node* find(const Node* node) {
    if (node->op == Op::attention) return node;
    for (const NodeRef& input : node->inputs) {
      if (const Node* found = find(input.get())) return found;
    }
    return nullptr;
  }

  // The attributes of the operation that it became, which answers the same; none if there is none.
  std::optional<AttentionAttr> recognised(const NodeRef& value, double tolerance = 0.1) {
    const auto common = common_values(std::vector{value});
    const auto made = recognised_attention(
        common, [](DType, const AttentionSizes&, const AttentionUse&) { return true; });
    const Node* attention = find(made[0].get());
    EXPECT_EQ(made[0]->shape, value->shape);
    EXPECT_EQ(made[0]->dtype, value->dtype);
    const HostTensor expected = reference_evaluate(*value), got = reference_evaluate(*made[0]);
    for (int64_t i = 0; i < expected.count(); ++i) {
      const double e = to_double(expected.at(i)), g = to_double(got.at(i));
      if (!(std::abs(e - g) <= tolerance)) {
        ADD_FAILURE() << "element " << i << " is " << g << ", not " << e;
        break;
      }
    }
    if (attention == nullptr) return std::nullopt;
    operands_ = attention->inputs;
    return attention->attribute<AttentionAttr>();
  }
  Shape narrow_shape(size_t operand) const {
    const NodeRef& x = operands_.at(operand);
    return x->op == Op::broadcast ? x->inputs[0]->shape : x->shape;
  }

  std::vector<NodeRef> operands_;
};

TEST_F(RecognisedAttention, ScaledScores) {
  const auto after = recognised(weighted(softmax(op(Op::divide, scores(), num(8, DType::bf16)))));
  ASSERT_TRUE(after);
  EXPECT_EQ(after->scale, 0.125);
  EXPECT_FALSE(after->has_mask || after->has_bias);
  EXPECT_EQ(operands_[0].get(), q_.get());

  const NodeRef wide = cast(scores(), DType::f32);
  const NodeRef root = elementwise(Op::sqrt, {num(64)});
  const auto cast_before = recognised(weighted(softmax(op(Op::divide, wide, root))));
  ASSERT_TRUE(cast_before);
  EXPECT_EQ(cast_before->scale, 0.125);
}

TEST_F(RecognisedAttention, ScaledQueriesOfHeadsWithinPositions) {
  const NodeRef q = noise(DType::f32, {2, 5, 3, 8}), k = noise(DType::f32, {2, 7, 3, 8}),
                v = noise(DType::f32, {2, 7, 3, 4});
  const NodeRef s = dot(op(Op::multiply, q, num(0.5)), k, {{3}, {3}, {0, 2}, {0, 2}});
  const NodeRef e = powers(s);
  const NodeRef w = op(Op::multiply, op(Op::divide, num(1), rows(Op::sum, e)), e);
  const NodeRef o = dot(w, v, {{3}, {1}, {0, 1}, {0, 2}});
  const auto found = recognised(transpose(o, {0, 2, 1, 3}), 1e-6);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->scale, 0.5);
  EXPECT_TRUE(found->heads_inside);
}

TEST_F(RecognisedAttention, CausalMasksAreBounds) {
  const auto found = recognised(weighted(softmax(masked(causal(5, 7), scores(), -1e9))));
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->has_mask);
  EXPECT_EQ(found->after, 0);
  EXPECT_EQ(found->offset, 0);
  const auto later = recognised(weighted(softmax(masked(causal(5, 7, 2), scores(), -1e9))));
  ASSERT_TRUE(later);
  EXPECT_EQ(later->offset, 2);

  const NodeRef window = op(Op::less, op(Op::subtract, iota_of({5, 7}, 0), iota_of({5, 7}, 1)),
                            constant(yard_, make_scalar(DType::s32, int64_t{3}), {}));
  const NodeRef both = op(Op::logical_and, causal(5, 7), window);
  const auto windowed = recognised(weighted(softmax(masked(both, scores(), -1e9))));
  ASSERT_TRUE(windowed);
  EXPECT_FALSE(windowed->has_mask);
  EXPECT_EQ(windowed->before, 2);
}

// The first rows see nothing: their weights are uniform.
TEST_F(RecognisedAttention, MasksThatLeaveRowsEmptyStayMasks) {
  const auto found = recognised(weighted(softmax(masked(causal(5, 7, -2), scores(), -1e30))));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->has_mask);
  EXPECT_EQ(found->masked, -1e30);
  EXPECT_EQ(narrow_shape(3), (Shape{1, 1, 5, 7}));
}

TEST_F(RecognisedAttention, MasksOfBatches) {
  const NodeRef keys = op(Op::greater, noise(DType::f32, {2, 1, 1, 7}), num(0));
  const auto found = recognised(weighted(softmax(masked(keys, scores(), -1e9))));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->has_mask);
  EXPECT_EQ(narrow_shape(3), (Shape{2, 1, 1, 7}));

  const NodeRef hidden = op(Op::less, noise(DType::f32, {2, 1, 1, 7}), num(0));
  const NodeRef s = scores();
  const NodeRef turned =
      elementwise(Op::select, {broadcast(hidden, s->shape), num(-1e9, DType::bf16), s});
  const auto other = recognised(weighted(softmax(masked(causal(5, 7), turned, -1e9))));
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->has_mask);
  EXPECT_EQ(other->after, -1);
  EXPECT_EQ(narrow_shape(3), (Shape{2, 1, 5, 7}));
}

TEST_F(RecognisedAttention, Biases) {
  const auto found = recognised(
      weighted(softmax(op(Op::add, cast(scores(), DType::f32), noise(DType::f32, {3, 5, 7})))));
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->has_bias);
  EXPECT_EQ(narrow_shape(3), (Shape{1, 3, 5, 7}));

  const NodeRef scaled = op(Op::multiply, cast(scores(), DType::f32), num(0.25));
  const auto later = recognised(weighted(softmax(op(Op::add, noise(DType::f32, {5, 7}), scaled))));
  ASSERT_TRUE(later);
  EXPECT_EQ(later->scale, 0.25);
  EXPECT_EQ(narrow_shape(3), (Shape{1, 1, 5, 7}));

  const NodeRef low = elementwise(Op::select, {causal(5, 7), num(0), num(-1e9)});
  const auto mask = recognised(weighted(softmax(op(Op::add, cast(scores(), DType::f32), low))));
  ASSERT_TRUE(mask);
  EXPECT_FALSE(mask->has_bias || mask->has_mask);
  EXPECT_EQ(mask->after, 0);
}

TEST_F(RecognisedAttention, PositionsOfCachesAreLengths) {
  for (int32_t position : {0, 3, 6, 9, -1}) {
    const NodeRef q = noise(DType::bf16, {1, 2, 4, 8}), k = noise(DType::bf16, {1, 2, 7, 8});
    const NodeRef v = noise(DType::bf16, {1, 2, 7, 4});
    v_ = v;
    const NodeRef s = cast(dot(q, k, {{3}, {3}, {0, 1}, {0, 1}}), DType::f32);
    const NodeRef seen = op(Op::less_equal, iota_of(s->shape, 3), stored(position));
    const auto found =
        recognised(weighted(softmax(masked(seen, op(Op::divide, s, num(8)), -1e30))));
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->has_mask && found->has_lengths);
    EXPECT_EQ(narrow_shape(3), (Shape{1, 1, 1, 7}));
    const HostTensor lengths = reference_evaluate(*operands_[4]);
    EXPECT_EQ(to_int64(lengths.at(0)), position < 0 ? 7 : std::min(position + 1, 7));
  }
}

// Four heads of queries share one of keys.
TEST_F(RecognisedAttention, GroupedHeads) {
  const NodeRef q = noise(DType::f16, {2, 3, 4, 5, 8}), k = noise(DType::f16, {2, 3, 5, 8});
  const NodeRef v = noise(DType::f16, {2, 3, 5, 4});
  const NodeRef s = dot(q, k, {{4}, {3}, {0, 1}, {0, 1}});
  const NodeRef w = softmax(masked(causal(5, 5), s, -60000));
  const auto found = recognised(dot(w, v, {{4}, {2}, {0, 1}, {0, 1}}));
  ASSERT_TRUE(found);
  EXPECT_EQ(operands_[0]->shape, (Shape{2, 12, 5, 8}));
  EXPECT_EQ(operands_[1]->shape, (Shape{2, 3, 5, 8}));
  EXPECT_EQ(found->after, 0);
}

TEST_F(RecognisedAttention, WhatElseReadsWeightsKeepsThem) {
  const NodeRef w = softmax(scores());
  const NodeRef o = weighted(w);
  EXPECT_FALSE(recognised(op(Op::add, o, reduce(Op::sum, w, Axes{3}, true))));
  EXPECT_TRUE(recognised(o));
  const auto common = common_values(std::vector{o, w});
  const auto made = recognised_attention(
      common, [](DType, const AttentionSizes&, const AttentionUse&) { return true; });
  EXPECT_EQ(made[0].get(), common[0].get());
}

TEST_F(RecognisedAttention, WhatIsNoAttentionStays) {
  const NodeRef s = scores();
  // Sums of other powers, maxima along another axis, a dropout, weights of a wider type.
  EXPECT_FALSE(recognised(weighted(op(Op::divide, powers(s), rows(Op::sum, s)))));
  EXPECT_FALSE(
      recognised(weighted(op(Op::divide, powers(s), reduce(Op::sum, powers(s), Axes{2}, true)))));
  const NodeRef kept = op(Op::greater, noise(DType::bf16, s->shape), num(0));
  EXPECT_FALSE(recognised(weighted(op(Op::multiply, softmax(s), kept))));
  EXPECT_FALSE(recognised(
      dot(softmax(cast(s, DType::f32)), cast(v_, DType::f32), {{3}, {2}, {0, 1}, {0, 1}})));
  // A bias that is added after the mask.
  EXPECT_FALSE(recognised(
      weighted(softmax(op(Op::add, masked(causal(5, 7), s, -1e9), noise(DType::bf16, {5, 7}))))));
}

// Of as many queries as keys, sums of rows that are broadcast along columns.
TEST_F(RecognisedAttention, SumsOfOtherRowsStay) {
  const NodeRef q = noise(DType::f32, {5, 8}), k = noise(DType::f32, {5, 8});
  const NodeRef e = elementwise(Op::exp, {dot(q, k, {{1}, {1}, {}, {}})});
  const NodeRef v = noise(DType::f32, {5, 4});
  for (bool keeps_axes : {true, false}) {
    const NodeRef w = op(Op::divide, e, reduce(Op::sum, e, Axes{1}, keeps_axes));
    EXPECT_EQ(recognised(dot(w, v, {{1}, {0}, {}, {}}), 1e-4).has_value(), keeps_axes);
  }
}

// Trees of shared values are not walked once for each path.
TEST_F(RecognisedAttention, DeepScalesAndMasks) {
  NodeRef scale = num(1), mask = causal(5, 7), position = iota_of({5, 7}, 0);
  for (int i = 0; i < 100; ++i) {
    scale = op(Op::divide, scale, scale);
    position = op(Op::subtract, position, op(Op::subtract, position, position));
    mask = op(Op::logical_and, mask, mask);
  }
  mask = op(Op::logical_and, mask, op(Op::greater_equal, position, iota_of({5, 7}, 1)));
  NodeRef q = noise(DType::f32, {1, 1, 5, 8});
  for (int i = 0; i < 20000; ++i) q = op(Op::multiply, q, num(1));
  const NodeRef k = noise(DType::f32, {1, 1, 7, 8});
  v_ = noise(DType::f32, {1, 1, 7, 4});
  const NodeRef s = masked(mask, dot(q, k, {{3}, {3}, {0, 1}, {0, 1}}), -1e9);
  const auto common = common_values(std::vector{weighted(softmax(s)), scale});
  const auto made = recognised_attention(
      common, [](DType, const AttentionSizes&, const AttentionUse&) { return true; });
  EXPECT_NE(find(made[0].get()), nullptr);
}

TEST_F(RecognisedAttention, WhereItDoesNotPay) {
  const auto common = common_values(std::vector{weighted(softmax(scores()))});
  AttentionSizes sizes;
  const auto made =
      recognised_attention(common, [&](DType type, const AttentionSizes& s, const AttentionUse&) {
        EXPECT_EQ(type, DType::bf16);
        sizes = s;
        return false;
      });
  EXPECT_EQ(made[0].get(), common[0].get());
  EXPECT_EQ(sizes.batch, 2);
  EXPECT_EQ(sizes.heads, 3);
  EXPECT_EQ(sizes.queries, 5);
  EXPECT_EQ(sizes.keys, 7);
  EXPECT_EQ(sizes.width, 8);
  EXPECT_EQ(sizes.value_width, 4);
}

}  // namespace
}  // namespace nxv
