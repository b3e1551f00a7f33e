#include "schedule/paths.h"

#include <gtest/gtest.h>

#include "graph/build.h"
#include "testing/reference/reference.h"

namespace nxv::schedule {
namespace {

class Paths : public ::testing::Test {
 protected:
  // The layout of `from`'s elements over the space of the last view; views from first to last.
  std::optional<Layout> through(const NodeRef& from, const std::vector<NodeRef>& views) {
    std::vector<PathStep> steps;
    for (size_t i = views.size(); i-- > 0;) {
      steps.push_back({views[i].get(), 0, static_cast<int32_t>(steps.size()) - 1, 0});
    }
    return compose(steps, static_cast<int>(steps.size()) - 1, from->shape);
  }
  NodeRef data(Shape shape) {
    const auto n = static_cast<size_t>(element_count(shape));
    return host_value(owner_, DType::u8, std::move(shape), std::vector<std::byte>(n));
  }
  GraveyardRef owner_ = host_graveyard();
};

TEST_F(Paths, ViewsCompose) {
  const NodeRef x = data({2, 3, 4});
  const NodeRef turned = transpose(x, {2, 0, 1});
  const int64_t starts[] = {1, 0, 0}, lengths[] = {3, 2, 3}, strides[] = {2, 1, 1};
  const NodeRef part = slice(turned, starts, lengths, strides);
  const NodeRef back = reverse(part, {2});
  const auto layout = through(x, {turned, part, back});
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->shape, (Shape{2, 2, 3}));
  EXPECT_EQ(layout->strides, (std::vector<int64_t>{2, 12, -4}));
  EXPECT_EQ(layout->offset, 1 + 2 * 4);
}

TEST_F(Paths, BroadcastHasNoStride) {
  const NodeRef x = data({3, 1});
  const auto layout = through(x, {broadcast(x, {5, 3, 4}, {1, 2})});
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->strides[0], 0);
  EXPECT_EQ(layout->strides[1], 1);
  EXPECT_EQ(layout->strides[2], 0);
}

TEST_F(Paths, WhatStridesCannotExpressHasNoLayout) {
  const NodeRef x = data({3, 4});
  const NodeRef turned = transpose(x, {1, 0});
  EXPECT_FALSE(through(x, {turned, reshape(turned, {12})}));
  EXPECT_TRUE(through(x, {reshape(x, {2, 6})}));
  const NodeRef zero = data({});
  EXPECT_FALSE(through(x, {pad(x, zero, {{1, 0}, {0, 0}, {0, 0}})}));
}

TEST_F(Paths, PaddingIsOneElementForAllPoints) {
  const NodeRef x = data({3}), zero = data({});
  const NodeRef padded = pad(x, zero, {{1}, {1}, {0}});
  const auto layout = apply_view(*padded, 1, Layout::contiguous({}));
  ASSERT_TRUE(layout);
  EXPECT_EQ(layout->shape, (Shape{5}));
  EXPECT_EQ(layout->strides, (std::vector<int64_t>{0}));
}

TEST_F(Paths, AllViewsButPadAndConcatenateAreStrided) {
  for (Op op : {Op::reshape, Op::broadcast, Op::transpose, Op::slice, Op::reverse, Op::windows}) {
    EXPECT_TRUE(is_strided_view(op));
  }
  EXPECT_FALSE(is_strided_view(Op::pad));
  EXPECT_FALSE(is_strided_view(Op::concatenate));
  EXPECT_FALSE(is_strided_view(Op::add));
}

}  // namespace
}  // namespace nxv::schedule
