#include "graph/joined_parts.h"

#include <gtest/gtest.h>

#include "graph/build.h"
#include "testing/reference/reference.h"

namespace nxv {
namespace {

class JoinedParts : public testing::Test {
 protected:
  // {2, length} numbers of which one is -0.
  NodeRef part(DType type, int64_t length) {
    std::vector<std::byte> stored(static_cast<size_t>(2 * length * storage_bytes(type)));
    for (int64_t i = 0; i < 2 * length; ++i) {
      store_scalar(make_scalar(type, i == 1 ? -0.0 : 0.5 * static_cast<double>(++numbers_)),
                   stored.data(), i);
    }
    return host_value(yard_, type, {2, length}, std::move(stored));
  }
  NodeRef padded(const NodeRef& x, int64_t low, int64_t high, double with = 0) const {
    const NodeRef value = constant(yard_, make_scalar(x->dtype, with), {});
    return pad(x, value, {{0, low}, {0, high}, {0, 0}});
  }
  NodeRef wide(DType type, int64_t length) { return cast(part(type, length), DType::f32); }
  static NodeRef sum(const NodeRef& a, const NodeRef& b) { return elementwise(Op::add, {a, b}); }

  // Whether the sum is what a cast widens; it has the same bits.
  static bool joins(const NodeRef& value) {
    const NodeRef made = with_joined_parts(std::vector{value})[0];
    EXPECT_EQ(reference_evaluate(*made).bytes, reference_evaluate(*value).bytes);
    return made->op == Op::cast;
  }

  GraveyardRef yard_ = host_graveyard();
  int64_t numbers_ = 0;
};

TEST_F(JoinedParts, SideBySide) {
  for (DType type : {DType::f16, DType::bf16}) {
    const NodeRef first = padded(wide(type, 3), 0, 6), last = padded(wide(type, 2), 7, 0);
    // Behind views, in any order.
    const NodeRef middle = padded(transpose(reshape(wide(type, 4), {4, 2}), {1, 0}), 3, 2);
    EXPECT_TRUE(joins(sum(last, sum(first, middle))));
    EXPECT_TRUE(joins(sum(sum(middle, last), first)));
  }
}

TEST_F(JoinedParts, AreWidenedBehindViews) {
  const DType type = DType::bf16;
  const NodeRef whole = sum(padded(wide(type, 3), 0, 2), padded(wide(type, 2), 3, 0));
  EXPECT_TRUE(joins(reshape(transpose(whole, {1, 0}), {10})));
  EXPECT_FALSE(joins(elementwise(Op::negate, {whole})));
}

TEST_F(JoinedParts, OthersAreSums) {
  const DType type = DType::bf16;
  const NodeRef first = padded(wide(type, 3), 0, 2);
  EXPECT_FALSE(joins(sum(first, padded(wide(type, 3), 2, 0))));        // overlap
  EXPECT_FALSE(joins(sum(first, padded(wide(type, 1), 4, 0))));        // a gap
  EXPECT_FALSE(joins(sum(first, padded(wide(type, 2), 3, 0, 1))));     // ones around
  EXPECT_FALSE(joins(sum(first, padded(wide(DType::f16, 2), 3, 0))));  // types
  EXPECT_FALSE(joins(sum(first, padded(part(DType::f32, 2), 3, 0))));  // nothing was widened
  EXPECT_FALSE(joins(sum(first, wide(type, 5))));
  EXPECT_FALSE(joins(sum(sum(first, padded(wide(type, 2), 3, 0)), part(DType::f32, 5))));
}

}  // namespace
}  // namespace nxv
